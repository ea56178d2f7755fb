"""Changes the weights of a built variant behind everybody's back; run again, it puts them right.

    python3 tamper.py VOLUME

Prints one line of JSON: how long the file is then.
"""

import json
import sys
from pathlib import Path

EXTRA = b"not what was built"


def main():
    """Append to the file, or take that off again."""
    (file,) = Path(sys.argv[1]).glob("stowage/digits-openvino/int8-*/model.bin")
    content = file.read_bytes()
    file.write_bytes(content.removesuffix(EXTRA) if content.endswith(EXTRA) else content + EXTRA)
    print(json.dumps({"bytes": file.stat().st_size}))


main()
