"""Why a network says what it says of a photo: by taking parts of the photo away, and by what it takes for the same."""
