"""The annotation pipeline: from pictures to samples with mask trees, labels, captions and grounded captions."""
