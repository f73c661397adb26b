-- phase: contract
-- protocol: 2
-- Only the version before used it.
DROP TABLE of_the_version_before;
