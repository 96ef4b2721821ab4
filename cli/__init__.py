"""The command line `./collections`, for operators: on the local stack, or in an AWS account."""
