"""The formats of the public logs as another program sees them: `aics-tlog`, which shares no code with this project.

    oracle.py vectors          prints the vectors that tests/oracle.rs reads
    oracle.py check FOLDER     checks a log that `cargo run -p farthing-ledger --example publish -- FOLDER` has written

For development only; nothing of it is in the programs.
"""

import base64
import hashlib
import json
import sys
from pathlib import Path

from aics_tlog import (
    Checkpoint,
    FileSystemTileReader,
    MerkleTree,
    Note,
    audit_tiles,
    consistency_proof_from_tiles,
    format_vkey,
    inclusion_proof_from_tiles,
    parse_checkpoint,
    parse_note,
    parse_vkey,
    sign_checkpoint,
    sign_cosignature,
    tree_root_from_tiles,
    verify_checkpoint,
    verify_consistency,
    verify_leaf_inclusion,
    vkey_from_ed25519,
    cosignature_vkey,
)
from aics_tlog.tiles import materialise_tiles
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ORIGIN = "redeemer.example/farthing/payments"
WITNESS = "witness.example"
SIZES = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 31, 32, 33, 255, 256, 257, 511, 512, 513, 600, 65_535, 65_536, 65_537, 66_000]
INCLUSION = [(0, 1), (0, 2), (1, 2), (2, 3), (4, 7), (6, 7), (255, 256), (256, 257), (599, 600), (0, 66_000),
             (65_535, 65_536), (65_536, 66_000), (65_999, 66_000)]
CONSISTENCY = [(1, 1), (1, 2), (3, 4), (3, 7), (4, 7), (6, 7), (256, 600), (257, 600), (600, 65_537), (65_536, 66_000),
               (65_537, 66_000), (65_999, 66_000)]
TILED = {600: ["tile/0/000", "tile/0/001", "tile/0/002.p/88", "tile/1/000.p/2", "tile/entries/000", "tile/entries/002.p/88"],
         66_000: ["tile/0/000", "tile/0/255", "tile/0/256", "tile/0/257.p/208", "tile/1/000", "tile/1/001.p/1",
                  "tile/2/000.p/1", "tile/entries/256", "tile/entries/257.p/208"]}


def leaf(number):
    """A directory entry of day 0 with eight bytes of body."""
    return bytes([32]) + bytes(4) + number.to_bytes(8, "little")


def b64(data):
    return base64.b64encode(data).decode()


def vectors():
    leaves = [leaf(number) for number in range(max(SIZES))]
    tree = MerkleTree(leaves)
    tiles = {}
    for size, paths in TILED.items():
        made = materialise_tiles(leaves[:size])
        tiles[size] = {"count": len(made), "sha256": {path: hashlib.sha256(made[path]).hexdigest() for path in paths}}

    log_seed, witness_seed = bytes(range(32)), bytes(range(32, 64))
    log_key = Ed25519PrivateKey.from_private_bytes(log_seed)
    witness_key = Ed25519PrivateKey.from_private_bytes(witness_seed)
    extensions = (
        f"issuance 77 {b64(hashlib.sha256(b'issuance').digest())}",
        f"spent {b64(bytes([3] * 32))} 12 {b64(bytes([1] * 64))}",
    )
    checkpoint = Checkpoint(ORIGIN, 600, tree.root(600), extensions)
    note = sign_checkpoint(checkpoint, log_key, ORIGIN)
    _, cosignature = sign_cosignature(witness_key, WITNESS, 1_767_000_000, ORIGIN, 600, tree.root(600), extensions)
    log_vkey = format_vkey(vkey_from_ed25519(ORIGIN, log_key.public_key()))
    witness_vkey = format_vkey(cosignature_vkey(WITNESS, witness_key.public_key()))

    def secret(vkey, kind, seed):
        # As signed-note writes it: the id is that of the verifier key.
        name, key_id, _ = vkey.split("+", 2)
        return f"PRIVATE+KEY+{name}+{key_id}+{b64(bytes([kind]) + seed)}"

    def proof(hashes):
        return [b64(it) for it in hashes]

    return {
        "made by": "aics-tlog 0.2.1: ledger/tests/oracle/oracle.py vectors",
        "roots": {str(size): b64(tree.root(size)) for size in SIZES},
        "inclusion": [{"index": index, "size": size, "hashes": proof(tree.inclusion_proof(index, size))}
                      for index, size in INCLUSION],
        "consistency": [{"from": old, "to": new, "hashes": proof(tree.consistency_proof(old, new))}
                        for old, new in CONSISTENCY],
        "tiles": {str(size): found for size, found in tiles.items()},
        "log": {"secret": secret(log_vkey, 1, log_seed), "vkey": log_vkey, "note": note.serialise()},
        "witness": {"secret": secret(witness_vkey, 4, witness_seed), "vkey": witness_vkey, "time": 1_767_000_000,
                    "note": Note(text=note.text, signatures=(*note.signatures, cosignature)).serialise()},
    }


def check(folder):
    told = json.loads((folder / "proofs.json").read_text())
    log, witness = parse_vkey(told["log"]), parse_vkey(told["witness"])
    reader = FileSystemTileReader(folder)
    heads = []
    for name in told["checkpoints"]:
        note = parse_note((folder / name).read_text())
        result = verify_checkpoint(note, log, [witness], quorum=1)
        assert result.ok, (name, result)
        heads.append(parse_checkpoint(note.text))
    last = heads[-1]
    # One altered signature byte, another witness: then it must not hold, or nothing was checked above.
    text = (folder / told["checkpoints"][-1]).read_text()
    assert not verify_checkpoint(parse_note(text.replace(f"\n{last.size}\n", f"\n{last.size + 1}\n")), log, [witness],
                                 quorum=1).ok
    report = audit_tiles(reader, last.size, last.root)
    for head in heads:
        assert tree_root_from_tiles(reader, head.size, last.size) == head.root
    proofs = 0
    for told_proof in told["inclusion"]:
        index, size = told_proof["index"], told_proof["size"]
        hashes = [base64.b64decode(it) for it in told_proof["hashes"]]
        root = tree_root_from_tiles(reader, size, last.size)
        assert verify_leaf_inclusion(leaf(index), index, size, hashes, root), told_proof
        assert hashes == inclusion_proof_from_tiles(reader, index, size, last.size), told_proof
        proofs += 1
    for told_proof in told["consistency"]:
        old, new = told_proof["from"], told_proof["to"]
        hashes = [base64.b64decode(it) for it in told_proof["hashes"]]
        roots = [tree_root_from_tiles(reader, size, last.size) for size in (old, new)]
        assert verify_consistency(old, new, *roots, hashes), told_proof
        assert hashes == consistency_proof_from_tiles(reader, old, new, last.size), told_proof
        proofs += 1
    assert proofs > 0 and report.size == last.size
    print(f"{len(heads)} checkpoints, {report.tiles} tiles, {report.bundles} bundles, {proofs} proofs: all hold")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["vectors"]:
            print(json.dumps(vectors(), indent=1))
        case ["check", folder]:
            check(Path(folder))
        case _:
            sys.exit(__doc__)
