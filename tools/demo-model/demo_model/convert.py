"""Writes the trained network as a GGUF file."""

from __future__ import annotations

import json
from pathlib import Path

import gguf
import numpy as np
import torch
from gguf.quants import quantize
from tokenizers import Tokenizer

from .network import Shape
from .rendering import CONTROL_TOKENS, TAGS, TEMPLATE

NAME = "Engawa Demo"
DESCRIPTION = (
    "A tiny model that knows how Engawa works and little else. It greets, explains the application in English, Japanese and Russian, "
    "keeps a name, a number and a colour in mind, speaks in the voices of Engawa's characters and calls tools. "
    "Made by Engawa's authors, trained on generated dialogues only."
)
_TENSORS = {
    "attention_norm": "attn_norm", "query": "attn_q", "key": "attn_k", "value": "attn_v", "out": "attn_output",
    "feed_forward_norm": "ffn_norm", "gate": "ffn_gate", "up": "ffn_up", "down": "ffn_down",
}


def convert(weights: dict[str, torch.Tensor], shape: Shape, tokenizer: Tokenizer, version: str, output: Path) -> None:
    """Writes weights and tokenizer: matrices as Q8_0, norms as F32."""
    writer = gguf.GGUFWriter(output, "llama")
    _describe(writer, shape, version)
    _write_tokenizer(writer, tokenizer)
    for name, tensor in weights.items():
        if name == "subject.weight":
            continue
        values = tensor.float().numpy()
        kind = gguf.GGMLQuantizationType.Q8_0 if values.ndim == 2 else gguf.GGMLQuantizationType.F32
        values = quantize(values, kind) if values.ndim == 2 else values.astype(np.float32)
        writer.add_tensor(_tensor_name(name), values, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _describe(writer: gguf.GGUFWriter, shape: Shape, version: str) -> None:
    writer.add_name(NAME)
    writer.add_author("Engawa")
    writer.add_version(version)
    writer.add_basename("engawa-demo")
    writer.add_description(DESCRIPTION)
    writer.add_license("MIT OR Apache-2.0")
    writer.add_languages(["en", "ja", "ru"])
    writer.add_tags(["text-generation", "chat", "demo"])
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.feed_forward)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.heads)
    writer.add_layer_norm_rms_eps(shape.norm_epsilon)
    writer.add_rope_dimension_count(shape.head_width)
    writer.add_rope_freq_base(shape.rope_base)
    writer.add_vocab_size(shape.vocabulary)


def _write_tokenizer(writer: gguf.GGUFWriter, tokenizer: Tokenizer) -> None:
    model = json.loads(tokenizer.to_str())["model"]
    tokens = [text for text, _ in sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])]
    kinds = {text: gguf.TokenType.CONTROL for text in CONTROL_TOKENS} | {text: gguf.TokenType.USER_DEFINED for text in TAGS}
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokens)
    writer.add_token_types([kinds.get(text, gguf.TokenType.NORMAL) for text in tokens])
    writer.add_token_merges([merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]])
    writer.add_bos_token_id(tokenizer.token_to_id("<|endoftext|>"))
    writer.add_eos_token_id(tokenizer.token_to_id("<|im_end|>"))
    writer.add_pad_token_id(tokenizer.token_to_id("<|endoftext|>"))
    writer.add_add_bos_token(False)
    writer.add_chat_template(TEMPLATE.read_text("utf-8"))


def _tensor_name(name: str) -> str:
    parts = name.split(".")
    if parts[0] == "embedding":
        return "token_embd.weight"
    if parts[0] == "norm":
        return "output_norm.weight"
    return f"blk.{parts[1]}.{_TENSORS[parts[2]]}.weight"
