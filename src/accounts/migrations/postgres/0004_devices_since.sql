-- Which state store holds the person's devices: the instant when that store was born. Null: no device was ever recorded. When the
-- store in use is another one, the devices of this person are not unknown to us because there are none, but because they are lost.
ALTER TABLE users ADD COLUMN devices_since BIGINT;
