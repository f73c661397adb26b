-- A tenant may make users of its own; nobody sees them before they are members somewhere.
CREATE POLICY made ON users FOR INSERT WITH CHECK (
    home_id = (SELECT current_setting('fairlead.tenant', true)));
