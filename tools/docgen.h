/* Documents that are made from tables: each function writes one file of docs/. */
#pragma once

struct buf;

void docgen_errors(struct buf *out);
