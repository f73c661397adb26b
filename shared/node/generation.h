/*
 * Keeps node->store.generation true: 0 while unknown, else the generation of the Redis
 * server that this process is connected to.
 */
#pragma once

/* A duty: the body of a fiber; arg is the node. */
void generation_keep(void *arg);
