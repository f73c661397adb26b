/* The refusal of servers that may lose what was acknowledged (design: durability). */
#pragma once

#include <stdbool.h>

struct node;

/* Wait until Redis and PostgreSQL have said how they keep data; one that is away is asked again
 * until it is there. False: refused, and node_fail() was called with the reason, or the fiber was
 * cancelled. With unsafe.storage the answer is logged and true. */
bool storage_admit(struct node *node);
