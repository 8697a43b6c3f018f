"""YAML as a config is written in: 1e5 is a number, a date is text, a key stands once, and errors take one line."""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Any

import yaml

FILE = "windrow.yaml"
"""What a config is called where nobody says."""
ENCODINGS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}


class ConfigError(ValueError):
    """The config cannot be used; each line of the message names a field, and what came."""


class Yaml(yaml.SafeLoader):
    """YAML in which 1e5 is a number, a date is text, and a key stands once."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """Make a value. Raises MarkedYAMLError where its text is no value of the type that its tag names."""
        try:
            return super().construct_object(node, deep)  # type: ignore[no-untyped-call]
        except (ValueError, AttributeError, KeyError):
            problem = f"{node.value[:40]!r} is no {node.tag.rpartition(':')[2]}"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark) from None

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Make a mapping. Raises MarkedYAMLError for a key that is null or stands there twice."""
        seen: set[str] = set()
        for key, _ in node.value:
            name = str(key.value)
            if key.tag == "tag:yaml.org,2002:null":
                raise yaml.MarkedYAMLError(problem=f"{name!r} is no name of a field", problem_mark=key.start_mark)
            if name in seen:
                raise yaml.MarkedYAMLError(problem=f"{name!r} stands there twice", problem_mark=key.start_mark)
            seen.add(name)
        return super().construct_mapping(node, deep)


def _resolvers(kind: Any) -> None:
    kind.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in known if tag != "tag:yaml.org,2002:timestamp"]
        for first, known in kind.yaml_implicit_resolvers.items()
    }
    number = re.compile(r"[-+]?([0-9]+|[0-9]*\.[0-9]+|[0-9]+\.)[eE][-+]?[0-9]+\Z")
    kind.add_implicit_resolver("tag:yaml.org,2002:float", number, list("-+.0123456789"))


class YamlText(yaml.SafeDumper):
    """Writes what `Yaml` reads."""


for _kind in (Yaml, YamlText):
    _resolvers(_kind)


def parse_yaml(data: bytes, name: str, reader: type[Yaml] = Yaml) -> Any:
    """Parse a file's bytes. Raises ConfigError naming the file, the line and what is wrong, in one line."""
    try:
        return reader(data.decode(ENCODINGS.get(data[:2], "utf-8-sig"))).get_single_data()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{name}, line {line}: is no UTF-8 text ({error.reason})") from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        before = f"{error.context}, " if str(error.problem).startswith("but ") else ""
        raise ConfigError(f"{name}, line {line}: {before}{error.problem}") from None
    except yaml.reader.ReaderError as error:
        line = data.decode(ENCODINGS.get(data[:2], "utf-8-sig"))[: error.position].count("\n") + 1
        raise ConfigError(f"{name}, line {line}: has a character that YAML forbids, {chr(error.character)!r}") from None
    except RecursionError:
        raise ConfigError(f"{name}: is nested too deeply") from None


def yaml_of(value: object) -> str:
    """Return a value as YAML in one line."""
    text: str = yaml.dump(value, Dumper=YamlText, default_flow_style=True, width=float("inf"), allow_unicode=True)
    return text.removesuffix("...\n").strip()
