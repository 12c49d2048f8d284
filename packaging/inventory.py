#!/usr/bin/env python3
"""What is inside the binary: a software bill of materials, and the licences of all of it.

    packaging/inventory.py sbom      CycloneDX 1.5, JSON, to the standard output
    packaging/inventory.py licences  every licence text, to the standard output

Read off `cargo metadata` and the crates' own sources, as Cargo.lock pins them; nothing is asked of the network once cargo
has fetched them. The same lock file gives the same text: no time, no random number and no path is in it.
"""

import json
import os
import re
import subprocess
import sys
import uuid

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TEXTS = re.compile(r"^(licen[cs]e|copying|copyright|notice|unlicense)", re.IGNORECASE)
# Crates whose archive has no text of its own, and the text that stands for them.
STANDARD = {"MIT": "LICENSE-MIT", "Apache-2.0": "LICENSE-APACHE"}


def metadata():
    target = os.environ.get("TARGET") or host()
    command = ["cargo", "metadata", "--locked", "--format-version", "1", "--filter-platform", target]
    return json.loads(subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout)


def host():
    told = subprocess.run(["rustc", "-vV"], check=True, stdout=subprocess.PIPE, text=True).stdout
    return re.search(r"^host: (.*)$", told, re.MULTILINE)[1]


def inside(data):
    """The root package, all that is linked into it (what only builds or tests it is not), and who needs what."""
    packages = {package["id"]: package for package in data["packages"]}
    nodes = {node["id"]: node for node in data["resolve"]["nodes"]}
    root = data["resolve"]["root"]
    needs, open_ = {}, [root]
    while open_:
        identity = open_.pop()
        if identity in needs:
            continue
        linked = lambda dep: any(kind["kind"] is None for kind in dep["dep_kinds"])
        needs[identity] = sorted(dep["pkg"] for dep in nodes[identity]["deps"] if linked(dep))
        open_ += needs[identity]
    order = sorted(needs, key=lambda identity: (packages[identity]["name"], packages[identity]["version"]))
    return packages[root], [packages[identity] for identity in order if identity != root], needs


def bundled(packages):
    """The C library that one crate carries: its version, and its source's own words on its licence."""
    for package in packages:
        header = os.path.join(os.path.dirname(package["manifest_path"]), "sqlite3", "sqlite3.h")
        if package["name"] == "libsqlite3-sys" and os.path.exists(header):
            with open(header, encoding="utf-8") as file:
                text = file.read()
            blessing = text[text.index("The author disclaims"):text.index("*****", 10)]
            lines = [re.sub(r"^\*\* ?", "", line) for line in blessing.splitlines()]
            return re.search(r'#define SQLITE_VERSION +"([^"]+)"', text)[1], "\n".join(lines).strip() + "\n"
    sys.exit("inventory: where is SQLite's source? libsqlite3-sys is built with `bundled`")


def expression(package):
    licence = package["license"] or sys.exit(f"inventory: {package['name']} names no licence")
    return licence.replace("/", " OR ")


def reference(package):
    return f"pkg:cargo/{package['name']}@{package['version']}"


def component(package, kind="library"):
    found = {
        "type": kind,
        "bom-ref": reference(package),
        "name": package["name"],
        "version": package["version"],
        "licenses": [{"expression": expression(package)}],
        "purl": reference(package),
    }
    if package["description"]:
        found["description"] = " ".join(package["description"].split())
    if package["repository"]:
        found["externalReferences"] = [{"type": "vcs", "url": package["repository"]}]
    return found


def checksums():
    """What each crate's archive must be, as Cargo.lock has it."""
    with open(os.path.join(ROOT, "Cargo.lock"), encoding="utf-8") as file:
        blocks = file.read().split("[[package]]")
    fields = [dict(re.findall(r'^(\w+) = "([^"]*)"', block, re.MULTILINE)) for block in blocks]
    return {(found["name"], found["version"]): found["checksum"] for found in fields if "checksum" in found}


def sbom():
    root, packages, needs = inside(metadata())
    sums = checksums()
    components = []
    for package in packages:
        found = component(package)
        checksum = sums.get((package["name"], package["version"]))
        if checksum:
            found["hashes"] = [{"alg": "SHA-256", "content": checksum}]
        components.append(found)
    version, _ = bundled(packages)
    sqlite = f"pkg:generic/sqlite@{version}"
    components.append({
        "type": "library", "bom-ref": sqlite, "name": "sqlite", "version": version, "purl": sqlite,
        "licenses": [{"license": {"id": "blessing"}}],
    })
    by_id = {package["id"]: package for package in [root, *packages]}
    dependencies = []
    for package in [root, *packages]:
        on = [reference(by_id[need]) for need in needs[package["id"]]]
        if package["name"] == "libsqlite3-sys":
            on.append(sqlite)
        dependencies.append({"ref": reference(package), "dependsOn": sorted(set(on))})
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": component(root, "application")},
        "components": components,
        "dependencies": dependencies,
    }
    # The number stands for the content.
    text = json.dumps(document, sort_keys=True)
    document["serialNumber"] = f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, text)}"
    json.dump(document, sys.stdout, indent=2)
    print()


def texts(package):
    """The crate's own licence files, and its `licenses` folder's."""
    folder = os.path.dirname(package["manifest_path"])
    found = []
    for where in [folder, *(os.path.join(folder, name) for name in ("LICENSES", "licenses", "license"))]:
        if not os.path.isdir(where):
            continue
        for name in sorted(os.listdir(where)):
            path = os.path.join(where, name)
            if os.path.isfile(path) and (where != folder or TEXTS.match(name)):
                with open(path, encoding="utf-8", errors="replace") as file:
                    found.append(file.read().strip().replace("\r\n", "\n") + "\n")
    return found


def licences():
    root, packages, _ = inside(metadata())
    by_text, bare = {}, []
    for package in packages:
        own = texts(package)
        if not own:
            standard = [name for name in STANDARD if re.search(rf"\b{re.escape(name)}\b", expression(package))]
            if not standard:
                sys.exit(f"inventory: {package['name']} {package['version']} has no licence text, and {expression(package)} none here")
            bare.append((package, standard[0]))
        for text in own:
            by_text.setdefault(text, []).append(package)
    out = [
        f"heliostat {root['version']} is under {root['license']}. Linked into it are {len(packages)} crates and SQLite, under these",
        "licences. Where several may be chosen from, each text is here.",
        "",
    ]
    for package in packages:
        authors = f", by {', '.join(package['authors'])}" if package["authors"] else ""
        out.append(f"{package['name']} {package['version']}: {expression(package)}{authors}")
    version, blessing = bundled(packages)
    out += [f"sqlite {version}: in the public domain", ""]
    line = "=" * 100
    for text, users in sorted(by_text.items(), key=lambda item: (item[1][0]["name"], item[0])):
        names = sorted({f"{package['name']} {package['version']}" for package in users})
        out += [line, ", ".join(names), "", text]
    for package, name in bare:
        with open(os.path.join(ROOT, STANDARD[name]), encoding="utf-8") as file:
            text = file.read()
        # The terms are the same for all; whose they are is not.
        text = re.sub(r"^Copyright \(c\).*$", f"Copyright (c) {', '.join(package['authors']) or 'its authors'}", text, flags=re.MULTILINE)
        out += [line, f"{package['name']} {package['version']} (its archive has no text; this is {name}'s)", "", text]
    out += [line, f"sqlite {version}", "", blessing]
    print("\n".join(out), end="")


if __name__ == "__main__":
    tasks = {"sbom": sbom, "licences": licences}
    if len(sys.argv) != 2 or sys.argv[1] not in tasks:
        sys.exit(__doc__)
    tasks[sys.argv[1]]()
