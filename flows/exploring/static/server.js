// What the server answers. Addresses are relative: the token is part of the page's own.

async function get(path, how = {}) {
  const answer = await fetch(path, how);
  if (!answer.ok) throw new Error(await answer.text());
  return answer;
}

/** JSON of an address. */
export async function json(path) {
  return (await get(path)).json();
}

/** The numbers of an address: a line of JSON, then those of `Kind`, a typed array. `how`: to ask, as of fetch(). */
export async function numbers(path, Kind, how = {}) {
  const buffer = await (await get(path, how)).arrayBuffer();
  const bytes = new Uint8Array(buffer);
  const end = bytes.indexOf(10);
  const head = JSON.parse(new TextDecoder().decode(bytes.subarray(0, end)));
  return { ...head, values: new Kind(buffer, end + 1) };
}

/** Add a correction, and return what stands of its sample. */
export async function correct(said) {
  const answer = await fetch("corrections", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(said),
  });
  if (!answer.ok) throw new Error(await answer.text());
  return answer.json();
}

export const image = (row, side) => `image/${row}/${side}`;
