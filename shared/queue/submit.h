/* What may be submitted; for the files of this folder, not for others. */
#pragma once

#include <stdbool.h>

struct queue_submit;

bool queue_submit_ok(const struct queue_submit *item);
