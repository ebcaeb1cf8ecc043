"""DeepSpeed's configuration: a JSON file for each way of spreading a model over the ranks."""
