"""The doctor: walks through what a stage needs, and says of each part what is wrong and how to mend it."""
