"""A real language model on this machine: SmolLM2-135M-Instruct, served by llama.cpp in a process of its own."""
