/* Every process that has PostgreSQL says there that it runs, and which protocol it speaks; one that
 * the schema has left behind stops in order, with status 1. */
#pragma once

/* The body of a fiber; arg is the node. node->joined once the schema has all that it needs. */
void roster_keep(void *arg);
