"""All SQL of the portal: `projections` is what lanes write, the others what pages read."""
