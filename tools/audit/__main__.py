"""``python -m audit``: licences always, vulnerabilities where advisories are given."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from audit import licences, osv
from audit.pins import all_pins, lock_files


def main() -> int:
    """1: something is not allowed or vulnerable. Needs no network."""
    parser = argparse.ArgumentParser(prog="audit", description=__doc__)
    parser.add_argument("--osv", type=Path, help="a folder or zip file of advisories in the OSV format")
    parser.add_argument("--ignore", action="append", default=[], help="an advisory that doesn't concern us")
    given = parser.parse_args()
    locks = lock_files()
    pins = all_pins(locks)
    known_licences = licences.installed()
    found = licences.problems(pins, known_licences)
    looked_at = sum(pin in known_licences for pin in pins)
    print(
        f"licences: {looked_at} of {len(pins)} pins of {len(locks)} lock files are installed here, looked at"
    )
    if given.osv is None:
        print("vulnerabilities: not looked for; give advisories by make audit OSV=all.zip")
    else:
        known = [f for f in osv.find(pins, osv.read(given.osv)) if not {f.id, *f.aliases} & set(given.ignore)]
        print(f"vulnerabilities: {len(known)} known")
        found += [str(each) for each in known]
    for each in found:
        print(f"  {each}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
