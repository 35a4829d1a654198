"""The command `pulse-train`: its options, its subcommands, and what it prints.

`parser` reads the command line, `configuration` combines it with a file and the environment,
`commands` does what a subcommand says, `terminal` and `progress` print. The program itself is
`pulse_assets.run_training`.
"""
