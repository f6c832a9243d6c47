"""Parts that pages share. Builders are pure: values in, components or figures out."""
