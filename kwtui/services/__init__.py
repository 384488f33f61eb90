"""The services that run in processes of their own, behind `kwtui.hosts.Host`.

A service is a class; the methods that its `requests` name can be called from the other side. Each
gets the `Task` it is done for (progress, partial results, cancellation) before its own arguments.

extractor (kwtui.services.extractor.ExtractorService):
    use(settings) -> None                     what `Host.use` sends
    strategies() -> tuple[StrategyInfo, ...]
    load_model(strategy, model="", batch_size=0) -> ModelInfo      progress: stages
    extract(texts, strategy, model="", batch_size=0) -> Extracted  progress: texts;
        partial: one engines.records.Prediction a text, in order
    retry(prediction, strategy, missed=(), wrong=(), model="") -> Prediction
    show_prompt(text, strategy, model="") -> str
  An empty `strategy` is the one of [extraction] in the settings. texts: Example or str.
glossary (kwtui.services.glossary.GlossaryService):
    count() -> int                        version() -> int: grows with every change of anyone
    rows(offset, limit, filter="", sort="canonical", which="all", category=None) -> Page
    place(term_id, filter="", sort="canonical", which="all", category=None) -> int | None
    facets(filter="", which="all", category=None) -> {"category": {name: terms}, "language": ...}
    get(term_id) -> Term | None           lookup(surface) -> Term | None
    match(text, everything=False) -> tuple[glossary.matching.Match, ...]
    search(text, limit=20) -> tuple[Term, ...]
    warm() -> int                         what the first match and search wait for, done before
    check(terms) -> glossary.validation.Plan   refusals name the term to merge with
    upsert(terms, author, reason="") -> int    delete(ids, author, reason="") -> int
    add(term, author, reason=""), revise(seen, wanted, author, reason="") -> Term
    alter(values, author, ids=(), view=None, reason="") -> int   the same values for many terms
    remove(author, ids=(), view=None, reason="") -> int
    merge(kept, other, author, reason=""), absorb(kept, term, author, reason="") -> Term
    take_back(number, author) -> (which, Batch)    undone, or redone where it was undone
    undo(author, number=None), redo(author, number=None) -> glossary.changes.Batch
    batches(limit=50, before=None) -> tuple[Batch, ...]
    changes_of(number, limit=500), history(term_id) -> tuple[Change, ...]
    diff(since, until="now") -> tuple[Difference, ...]    restore(moment, author, reason="") -> int
    snapshots() -> tuple[Snapshot, ...]   snapshot(name, author, note="") -> Snapshot
    drop_snapshot(name, author)
    show_table(file, encoding="", columns=None) -> glossary.columns.Table | None
    preview_import(file, encoding="", columns=None, mode="complete") -> glossary.importing.Preview
    import_file(file, author, encoding="", columns=None, mode="complete", reason="") -> counts
    export_file(file) -> int
    presets(file, encoding="") -> names   preview_records(file, preset, encoding="") -> Imported
    import_records(file, preset, author, encoding="") -> Imported
    embed() -> Coverage                   goes on where it was stopped
    warm_rows()                           reads the rows of every term
    preview_term(term, lines=5, seconds=2.0) -> engines.corpus.vocabulary.TermPreview
    records(text, offset, limit) -> RecordPage     record_kinds() -> {preset: records}
    terms_of(ids) -> tuple[Term, ...]
    missing_terms(limit=50, at_least=2) -> tuple[engines.corpus.vocabulary.MissingTerm, ...]
quick (kwtui.services.quick.QuickService), for whoever labels:
    prepare(texts) -> tuple[engines.extraction.candidates.Prepared, ...]
        texts: (id, text, {strategy: keywords}); partial: one Prepared a text, in order
    observe(text, labeled, suggested=None)   learns from a labeled text; labeled: its surfaces
    recall() -> int                          learns once from what was labeled before
    use(sources)                             which sources are offered
learner (kwtui.services.learner.LearnerService):
    learn(rank=2000) -> (texts, ranked)      trains the quick model at low priority
    rank_terms() -> int                      ranks texts by glossary terms that nobody has labeled
review (kwtui.services.review.ReviewService), over all labels:
    agreement() -> engines.corpus.agreement.Agreement
    disputes(limit=500) -> tuple[engines.corpus.agreement.Dispute, ...]
    check(names=(), limit=200) -> Checked    progress: stages
    label(surface, annotator) -> int         unlabel(surface, annotator) -> int: texts changed
compare (kwtui.services.compare.CompareService); pair: kwtui.services.compare.Pair,
        wanted: engines.evaluation.comparing.Wanted
    ready()                             nothing: the process is up when it answers
    open(pair) -> Opened                     progress: texts, the first time
    page(pair, wanted, offset, limit) -> Page; texts of a sealed split without a word of them
    look(pair, wanted, row) -> ComparedText  puts on record that a person reads it
    would_move(pair, wanted) -> {split: texts}
    to_labeling(text), to_glossary(pair, word, wanted), to_training(pair, wanted, reason) -> Sent
    report(split) -> paths
training (kwtui.services.training.TrainingService); values: those of a recipe, base: their folder
    models() -> tuple[engines.models.registry.ModelInfo, ...]
    foretell(values, base=None, trial=False) -> Foretold           progress: stages
    examples(values, base=None, count=3) -> Examples
    use(settings) -> None                    what `Host.use` sends
    launch(values, base=None, force=False, conditions=None) -> engines.training.launching.Launched
tokenizer (kwtui.services.tokenizer.TokenizerService), vocabularies over the workspace's texts:
    models() -> names                        measure(models) -> Measured    progress: texts
    split(models, text) -> pieces with each  build(order) -> engines.tokenizer.build.Built
export (kwtui.services.export.ExportService); wanted: kwtui.services.export_types.Wanted
    models() -> tuple[Found, ...]            strategies() -> names
    export(wanted) -> Done                   progress: stages
"""

SERVICES = {
    "extractor": ("kwtui.services.extractor", "ExtractorService"),
    "glossary": ("kwtui.services.glossary", "GlossaryService"),
    "quick": ("kwtui.services.quick", "QuickService"),
    "learner": ("kwtui.services.learner", "LearnerService"),
    "training": ("kwtui.services.training", "TrainingService"),
    "review": ("kwtui.services.review", "ReviewService"),
    "compare": ("kwtui.services.compare", "CompareService"),
    "tokenizer": ("kwtui.services.tokenizer", "TokenizerService"),
    "export": ("kwtui.services.export", "ExportService"),
}

# Seconds without a request after which a service ends, where `[hosts] idle_unload_s` is longer: a
# training leaves hundreds of megabytes behind, and the next one comes minutes later.
IDLE_SECONDS = {"learner": 20.0}
