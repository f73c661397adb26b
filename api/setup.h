/* The first administrator. */
#pragma once

struct node;

/* A duty of a starting node: a PIN in its log, when one is needed and no other node has made it.
 * arg: the node. */
void setup_offer(void *arg);
