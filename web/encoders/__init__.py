"""Events -> the bytes of a stream: functions of their arguments, without Flask, context variables or a clock."""
