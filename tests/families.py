"""Tiny random-weight models of the families that the project reads, saved as model folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from neuronprobe.corpora import starter
from neuronprobe.types import Sentence

TEXT = (
    "A small corpus of sentences trains tokenizers, doesn't it? Café naïve unaffordability 12,500 supercalifragilistic"
)

SIZES: dict[str, Any] = {
    "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 48,
    "max_position_embeddings": 130,
}  # fmt: skip
GROUPED = {**SIZES, "num_key_value_heads": 2}
FAMILIES: dict[str, dict[str, Any]] = {
    "bert": SIZES,
    "roberta": {**SIZES, "pad_token_id": 1},
    "xlm-roberta": {**SIZES, "pad_token_id": 1},
    "xlnet": {"d_model": 32, "n_layer": 3, "n_head": 4, "d_inner": 48},
    "electra": {**SIZES, "embedding_size": 16},
    "albert": {**SIZES, "embedding_size": 16},
    "distilbert": {"dim": 32, "n_layers": 3, "n_heads": 4, "hidden_dim": 48, "max_position_embeddings": 130},
    "deberta": SIZES,
    "deberta-v2": {
        **SIZES, "relative_attention": True, "pos_att_type": ["p2c", "c2p"], "position_biased_input": False,
        "position_buckets": 16, "share_att_key": True, "norm_rel_ebd": "layer_norm",
    },
    "mpnet": {**SIZES, "pad_token_id": 1},
    "modernbert": {**SIZES, "global_attn_every_n_layers": 2, "local_attention": 8},
    "gpt2": {"n_embd": 32, "n_layer": 3, "n_head": 4, "n_inner": 48, "n_positions": 130},
    "gpt_neox": SIZES,
    "opt": {
        "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "ffn_dim": 48, "word_embed_proj_dim": 32,
        "max_position_embeddings": 130,
    },
    "bloom": {"hidden_size": 32, "n_layer": 3, "n_head": 4},
    "llama": GROUPED,
    "mistral": {**GROUPED, "sliding_window": 8},
    "qwen2": GROUPED,
    "qwen3": {**GROUPED, "head_dim": 8},
    "gemma": {**GROUPED, "head_dim": 8},
    "gemma2": {**GROUPED, "head_dim": 8, "sliding_window": 8},
    "t5": {"d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 3, "num_heads": 4, "decoder_start_token_id": 0},
    "bart": {
        "d_model": 32, "encoder_layers": 3, "decoder_layers": 3, "encoder_attention_heads": 4,
        "decoder_attention_heads": 4, "encoder_ffn_dim": 48, "decoder_ffn_dim": 48, "max_position_embeddings": 130,
    },
}  # fmt: skip
"""By the `model_type` of transformers: what makes its configuration tiny."""


def save_network(folder: Path, family: str, vocabulary: int, **more: Any) -> None:
    """A network of random weights (seeded) as a model folder without a tokenizer."""
    from transformers import AutoConfig, AutoModel

    config = AutoConfig.for_model(family, **{"vocab_size": vocabulary, **special(), **FAMILIES.get(family, {}), **more})
    torch.manual_seed(0)
    network = AutoModel.from_config(config)
    for parameter in network.parameters():  # a fresh network hardly mixes words: make every path count
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=0.2)
    network.save_pretrained(folder)


def tokenizer_of(family: str) -> str:
    """The kind of tokenizer that a family has."""
    if family in ("xlnet", "albert", "t5", "xlm-roberta", "deberta-v2", "gemma", "gemma2", "llama", "mistral"):
        return "unigram"
    return "wordpiece" if family in ("bert", "distilbert", "electra", "mpnet") else "byte-level"


def save_family(folder: Path, family: str, **more: Any) -> Path:
    """A tiny model of a family with a tokenizer of its kind."""
    save_network(folder, family, save_tokenizer(folder, tokenizer_of(family)), **more)
    return folder


def special() -> dict[str, int]:
    """Ids that small vocabularies have."""
    return {"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 2}


def sentences(n: int = 40) -> list[Sentence]:
    return [sentence for sentence, _ in zip(starter().sentences("test"), range(n), strict=False)]


def save_tokenizer(folder: Path, kind: str) -> int:
    """Train a small tokenizer of a kind; its vocabulary size."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    lines = [TEXT, *(" ".join(sentence.words) for sentence in sentences())]
    if kind == "wordpiece":
        tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
        tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        trainer = trainers.WordPieceTrainer(vocab_size=300, special_tokens=["[CLS]", "[SEP]", "<pad>", "[UNK]"])
        around = processors.TemplateProcessing("[CLS] $A [SEP]", special_tokens=[("[CLS]", 0), ("[SEP]", 1)])
    elif kind == "byte-level":
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        trainer = trainers.BpeTrainer(
            vocab_size=400, special_tokens=["<s>", "</s>", "<pad>"], initial_alphabet=alphabet
        )
        around = processors.TemplateProcessing("<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 1)])
    else:  # unigram with the special tokens at the end, as XLNet has them
        tokenizer = Tokenizer(models.Unigram())
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
        special = ["<s>", "</s>", "<pad>", "<unk>"]
        trainer = trainers.UnigramTrainer(vocab_size=300, special_tokens=special, unk_token="<unk>")
        around = processors.TemplateProcessing("$A </s> <s>", special_tokens=[("<s>", 0), ("</s>", 1)])
    tokenizer.train_from_iterator(lines, trainer)
    tokenizer.post_processor = around
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", model_max_length=128)
    fast.save_pretrained(folder)
    return tokenizer.get_vocab_size()
