"""Small files for each corpus that lies in files, and the settings that name them, by the name of its YAML."""

from __future__ import annotations

from pathlib import Path

Settings = dict[str, dict[str, str]]
SPLITS = ("train", "dev", "test")


def write(folder: Path, name: str, text: str) -> str:
    """The path of a file that holds a text."""
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")
    return str(folder / name)


def corpus_files(folder: Path, treebank: dict[str, str]) -> Settings:
    """Beside those of the fixtures."""
    for split, path in treebank.items():
        write(folder, f"ud/en_small-ud-{split}.conllu", Path(path).read_text(encoding="utf-8"))
    glue = 'sentence\tlabel\na "fine film\t1\nnot good\t0\n'
    write(folder, "glue/train.tsv", glue), write(folder, "glue/dev.tsv", glue)
    for section in (0, 19, 22):
        write(folder, f"ptb/{section:02d}/wsj_{section:02d}01.mrg", "( (S (NP (DT The) (NN end)) (VP (VBD came))) )\n")
    write(folder, "neurox.label", "DT NN\n")
    texts = {
        "columns": "EU NNP\n\nis VBZ\n",
        "conll2003": "-DOCSTART- -X- -X- O\n\nEU NNP B-NP I-ORG\nwent VBD B-VP O\n\n",
        "wnut17": "EU\tB-corporation\nis\tO\n \t \nhere\tO\n",
        "sentences.tsv": "text\tlabel\ngood\tpos\nbad\tneg\n",
        "text": "One sentence here .\nAnd another\n",
        "neurox.in": "The end\n",
        "pos": "".join(f"good film {i}\n" for i in range(40)),
        "neg": "".join(f"bad film {i}\n" for i in range(40)),
    }
    paths = {name: write(folder, name, text) for name, text in texts.items()}
    return {
        **{name.split(".")[0]: dict.fromkeys(SPLITS, paths[name]) for name in list(texts)[:6]},
        "columns": {"columns": "{form:0,label:1}", **dict.fromkeys(SPLITS, paths["columns"])},
        "polarity": {"train": f"{{pos:{paths['pos']},neg:{paths['neg']}}}"},
        "glue": {"task": "sst2", "folder": str(folder / "glue"), "held_out": "1"},
        "ud": {"folder": str(folder / "ud")},
        "ptb": {"folder": str(folder / "ptb")},
    }
