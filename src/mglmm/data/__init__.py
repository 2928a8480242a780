"""From datasets to training batches: readers, turns made from annotations, the mixture of sources, the collator."""
