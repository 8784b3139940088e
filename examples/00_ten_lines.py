"""From raw text to a served model in ten lines: `python examples/00_ten_lines.py`."""

import kpt

corpus = kpt.text.documentation()  # or kpt.Corpus("reviews/*.csv.gz")
tokenizer = kpt.WordPieceTokenizer.train(corpus, vocabulary_size=8000)
store = kpt.data.prepare(corpus, tokenizer, "runs/ten-lines", overwrite=True)
encoder = kpt.Encoder(tokenizer.vocabulary.size, **kpt.models.encoder_config("mini"))
model = kpt.Pretrainer(encoder, [kpt.objectives.MaskedLM(), kpt.objectives.NextSentence()])
model.compile(optimizer=kpt.training.encoder_optimizer(steps=450))
examples = kpt.data.SentencePairs(store, length=128)
model.fit(kpt.data.Batches(examples, model.objectives, batch_size=32, steps=450))
kpt.export.saved_model(model, tokenizer, "saved_models/bert", length=128)
