"""The documentation: pages by need (topics, howto, reference, runbooks), and `generate`, which writes the reference pages from
the definitions in the code. Nothing of the service imports it."""
