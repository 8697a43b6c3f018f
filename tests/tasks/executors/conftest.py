import sys
from pathlib import Path

# worker processes get our sys.path, and must find the functions of `workloads` there
sys.path.insert(0, str(Path(__file__).parent))
