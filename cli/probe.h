/* Is the node on this port of 127.0.0.1 ready: does GET /readyz answer 200?  Waits on the fiber. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

bool probe_ready(uint16_t port, uint64_t timeout_ms);
