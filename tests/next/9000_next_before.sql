-- phase: expand
-- Stands for something that the version before uses and the next one does not.
CREATE TABLE of_the_version_before (one boolean);
