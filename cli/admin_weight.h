/* The weight of a tenant is kept like a limit. */
#pragma once

struct call;

int admin_set_weight(struct call *call);
