/*
 * Keeps node->store.generation true: 0 while unknown, else the generation of the history of the
 * Redis server that this process is connected to.  A history ends when the server restarts, with
 * whatever it has kept, and when it is emptied (FLUSHALL): then the next generation begins.
 */
#pragma once

/* A duty: the body of a fiber; arg is the node. */
void generation_keep(void *arg);
