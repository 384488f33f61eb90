"""Texts a second of extraction in the shape of Gemma-2B in bf16: our decoder and its peers.

    python -P tests/benchmarks/gpu/extraction.py [--out FILE] [--seconds 500] [--dry-run]

Weights are random, in the published shape; prompts are those of the strategy `prompt` over the
demo's dev texts, in kw-mini's tokens, the width of the vocabulary Gemma's 256,000. Random weights
answer nothing sensible: under the grammar they copy pieces of the text. The output matrix, which
is not tied here, leans away from quotes and brackets, so that answers are about as long as gold
ones. The arms do the same work by their lengths: our decoder answers first, and every peer makes
exactly as many tokens for each text, without a grammar, which it is spared the cost of. A cell is
a process of its own.

ours, ours-no-drafts   Decoder with the grammar, the shared head, with and without prompt lookup
generate-1             `model.generate`, one text at a time, on a part of the texts
generate, -sorted      `model.generate` on padded batches, as they come and sorted by length
continuous             transformers' continuous batching (`continuous_batching_context_manager`)
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

import torch

from tests.benchmarks.gpu import cells

ARMS = ("ours", "ours-no-drafts", "generate-1", "generate", "generate-sorted", "continuous")
BATCHES = (16, 64)
TEXTS, ALONE, NEW = 256, 24, 48
DRY_TEXTS, DRY_ALONE, DRY_NEW = 12, 2, 24
# How far the logits of a quote and of the end lie below the others, in standard deviations.
LEANS = {'"': -0.2, '","': -0.2, '"]': -0.9, "[]": -4.0, "]": -0.9}


def names() -> list[str]:
    """All cells; ours first, for the others take its lengths."""
    found = []
    for size in BATCHES:
        found += [f"{arm}-b{size}" for arm in ARMS if arm != "generate-1"]
    return [*found, "generate-1"]


def arm_of(name: str) -> tuple[str, int]:
    """The arm and the batch of a cell."""
    arm, _, size = name.rpartition("-b")
    return (arm, int(size)) if size.isdigit() else (name, 1)


def build(dry: bool) -> Any:
    """The model in memory: the same weights in every process."""
    from transformers import AutoConfig, AutoModelForCausalLM

    from engines.models.loading import LoadedModel, load_tokenizer
    from engines.training.shapes import GEMMA_2B, config_values
    from engines.workspace import assets

    gpu = torch.cuda.is_available() and not dry
    place = torch.device("cuda" if gpu else "cpu")
    dtype = torch.bfloat16 if gpu else torch.float32
    tokenizer = load_tokenizer(assets() / "kw-mini")
    values = config_values(GEMMA_2B) | {"tie_word_embeddings": False}
    if dry:
        values |= {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2}
        values |= {"num_attention_heads": 2, "head_dim": 32, "vocab_size": len(tokenizer)}
    # As large in the sum over a row as Gemma's 0.02 over 2,048.
    values["initializer_range"] = 0.9 / values["hidden_size"] ** 0.5
    config = AutoConfig.for_model("gemma", **values, max_position_embeddings=8192)
    torch.manual_seed(7)
    with place:
        made: Any = AutoModelForCausalLM
        model = made.from_config(config, dtype=dtype, attn_implementation="sdpa").eval()
    model.generation_config.eos_token_id = None
    loaded = LoadedModel(model, tokenizer, "gemma-2b", Path(), place, dtype)
    lean(loaded, asked(loaded, 1)[0].prompt_ids)
    return loaded


@torch.no_grad()
def lean(loaded: Any, prompt: Sequence[int]) -> None:
    """Lower the logits of LEANS, along the mean of the hidden states of a prompt."""
    ids = torch.tensor([prompt], device=loaded.device)
    states = loaded.model.model(input_ids=ids).last_hidden_state[0].float()
    along = states.mean(0)
    weight = loaded.model.lm_head.weight
    spread = float((states @ weight[:256].T.float()).std())
    known = loaded.tokenizer.get_vocab()
    for piece, times in LEANS.items():
        change = along * (times * spread / float(along @ along))
        weight[known[piece]] += change.to(weight.dtype)


def asked(loaded: Any, count: int) -> list[Any]:
    """Requests of the strategy `prompt` about the first texts of the demo's dev split."""
    from engines.extraction.asking import Asker
    from engines.extraction.backend import Ask, LocalBackend
    from engines.settings import StrategySettings
    from engines.workspace import assets

    lines = (assets() / "demo" / "dev.jsonl").read_text(encoding="utf-8").splitlines()
    texts = [json.loads(line)["text"] for line in lines][:count]
    asker, backend = Asker(StrategySettings(), loaded), LocalBackend(loaded)
    questions = [question for text in texts for question in asker.questions(text)]
    return [backend.request(Ask(q.messages, q.passage.text))[0] for q in questions]


def measure(name: str, out: Path, dry: bool) -> cells.Row:
    """Warm up on a batch, then answer all texts once and read the clock and the allocator."""
    arm, size = arm_of(name)
    loaded = build(dry)
    requests = asked(loaded, DRY_TEXTS if dry else TEXTS)
    new = DRY_NEW if dry else NEW
    lengths: list[int] = []
    if not arm.startswith("ours"):
        lengths = cells.rows(out)[f"ours-b{BATCHES[0]}"]["lengths"]
    if arm == "generate-1":
        requests = requests[: DRY_ALONE if dry else ALONE]
    run = runner(arm, loaded, requests, lengths, size, new)
    gpu = loaded.device.type == "cuda"
    # Continuous batching has a thread of its own, which may not write into inference tensors.
    with torch.inference_mode(arm != "continuous"):
        run(requests[: min(size, len(requests), 16)])
        if gpu:
            torch.cuda.synchronize()
            torch.cuda.reset_peak_memory_stats()
        passes, uncount = count_passes(loaded.model)
        began = time.perf_counter()
        made = run(requests)
        if gpu:
            torch.cuda.synchronize()
        seconds = time.perf_counter() - began
        uncount()
    wanted = made if arm.startswith("ours") else lengths[: len(requests)]
    return {
        "arm": arm,
        "batch": size,
        "gpu": torch.cuda.get_device_name(0) if gpu else "cpu",
        "torch": torch.__version__,
        "texts": len(requests),
        "texts_per_second": len(requests) / seconds,
        "tokens_per_second": sum(made) / seconds,
        "prompt_tokens": sum(len(r.prompt_ids) for r in requests) / len(requests),
        "new_tokens": sum(made) / len(made),
        "passes": passes[0],
        "peak_bytes": torch.cuda.max_memory_allocated() if gpu else 0,
        **({"lengths": made} if arm == "ours" else {}),
        **({} if made == wanted else {"failed": f"made {sum(made)} tokens of {sum(wanted)}"}),
    }


def count_passes(model: Any) -> tuple[list[int], Callable[[], None]]:
    """Count the forward passes of the decoder's layers; and how to stop that."""
    passes = [0]

    def once(*_hook: Any) -> None:
        passes[0] += 1

    handle = model.model.layers[0].register_forward_pre_hook(once)
    return passes, handle.remove


def runner(
    arm: str, loaded: Any, every: Sequence[Any], lengths: Sequence[int], size: int, new: int
) -> Callable[[Sequence[Any]], list[int]]:
    """How an arm answers requests: the tokens it made for each, in their order."""
    if arm.startswith("ours"):
        from engines.extraction.decoding import Decoder

        budget = max(32_768, 1024 * size)
        decoder = Decoder(loaded, max_batch_tokens=budget, drafts=arm == "ours")

        def ours(requests: Sequence[Any]) -> list[int]:
            found = decoder.generate(requests, max_new_tokens=new, batch_size=size)
            return [max(1, one.new_tokens) for one in found]

        return ours
    limit = {id(request): count for request, count in zip(every, lengths, strict=False)}
    if arm == "continuous":
        return lambda requests: continuous(loaded, requests, limit, size, new)

    def plain(requests: Sequence[Any]) -> list[int]:
        order = list(requests)
        if arm == "generate-sorted":
            order.sort(key=lambda request: len(request.prompt_ids))
        made: dict[int, int] = {}
        for start in range(0, len(order), size):
            group = order[start : start + size]
            counts = generate(loaded, group, [limit[id(request)] for request in group])
            made |= {id(request): n for request, n in zip(group, counts, strict=True)}
        return [made[id(request)] for request in requests]

    return plain


def generate(loaded: Any, group: Sequence[Any], counts: Sequence[int]) -> list[int]:
    """`model.generate` on a padded batch; each row ends at its own length, as with an end token."""
    from transformers import StoppingCriteria, StoppingCriteriaList

    width = max(len(request.prompt_ids) for request in group)
    ids = torch.zeros(len(group), width, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, request in enumerate(group):
        ids[row, width - len(request.prompt_ids) :] = torch.tensor(request.prompt_ids)
        mask[row, width - len(request.prompt_ids) :] = 1
    wanted = torch.tensor(counts, device=loaded.device)

    class Enough(StoppingCriteria):
        def __call__(self, input_ids: Any, scores: Any, **_options: Any) -> Any:
            return input_ids.shape[1] - width >= wanted

    out = loaded.model.generate(
        ids.to(loaded.device),
        attention_mask=mask.to(loaded.device),
        max_new_tokens=max(counts),
        do_sample=False,
        pad_token_id=0,
        stopping_criteria=StoppingCriteriaList([Enough()]),
    )
    assert out.shape[1] - width == max(counts)
    return list(counts)


def continuous(
    loaded: Any, requests: Sequence[Any], limit: dict[int, int], size: int, new: int
) -> list[int]:
    """transformers' continuous batching, as many texts at a time as the other arms have."""
    from transformers import ContinuousBatchingConfig, GenerationConfig
    from transformers.generation.continuous_batching.utils import WorkloadHints

    how = GenerationConfig(max_new_tokens=new, do_sample=False, eos_token_id=-1, pad_token_id=0)
    longest = max(len(request.prompt_ids) for request in requests)
    pages = {} if loaded.device.type == "cuda" else {"num_blocks": 64, "max_batch_tokens": 512}
    config = ContinuousBatchingConfig(max_requests_per_batch=size, **pages)
    hints = WorkloadHints(
        max_prompt_length=longest, max_generated_length=new, num_requests=len(requests)
    )
    made: dict[str, int] = {}
    with loaded.model.continuous_batching_context_manager(
        generation_config=how, continuous_batching_config=config, timeout=5, workload_hints=hints
    ) as manager:
        for number, request in enumerate(requests):
            count = limit[id(request)]
            manager.add_request(request.prompt_ids, f"{number}", max_new_tokens=count)
        for result in results(manager, len(requests)):
            made[result.request_id] = len(result.generated_tokens)
    return [made.get(f"{number}", 0) for number in range(len(requests))]


def results(manager: Any, count: int) -> Iterator[Any]:
    """The finished requests, until all are there or the manager has died."""
    while count:
        found = manager.get_result(timeout=1)
        if found is None:
            if not manager.is_running():
                return
        elif found.is_finished():
            count -= 1
            yield found


def table(out: Path) -> list[str]:
    """A line a cell with the ratio of ours to it."""
    found, lines = cells.rows(out), []
    for name in names():
        row = found.get(name)
        if row is None:
            continue
        if cells.failed(row):
            lines.append(cells.line(name, cells.reason(row), "", "", "", ""))
            continue
        _arm, size = arm_of(name)
        mine = found.get(f"ours-b{size if size > 1 else BATCHES[-1]}")
        ratio = mine["texts_per_second"] / row["texts_per_second"] if mine else 0.0
        lines.append(
            cells.line(
                name,
                f"{row['texts_per_second']:.1f}",
                f"{row['tokens_per_second']:.0f}",
                row["passes"],
                f"{row['peak_bytes'] / 2**30:.2f}",
                f"{ratio:.2f}x",
            )
        )
    return lines


def main() -> None:
    """Measure the cells that have no line yet, one process each, and write the table."""
    options = cells.arguments(__doc__, "extraction.jsonl").parse_args()
    if options.inside:
        print(json.dumps(measure(options.inside, options.out, options.dry_run)), flush=True)
        return
    missing = cells.work_through(
        names(), options, lambda name, room: cells.apart(__file__, name, room, options)
    )
    header = "cell | texts/s | new tokens/s | passes | peak GiB | ours against it"
    cells.finish(options.out, missing, header, table(options.out))


if __name__ == "__main__":
    main()
