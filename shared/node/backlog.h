/* Which tenants may not append now (event/backlog.h), as node.store knows it. */
#pragma once

/* The body of a fiber; arg is the node. */
void node_backlog_keep(void *arg);
