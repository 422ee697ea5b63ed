"""Makes Engawa's demo model: dialogues, tokenizer, training, conversion and evaluation."""
