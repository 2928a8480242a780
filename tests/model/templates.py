"""Chat templates that write conversations as those of the published checkpoints do, for text and images."""

_PARTS = (
    "{% for part in message.content %}"
    "{% if part.type == 'image' %}IMAGE{% else %}{{ part.text }}{% endif %}"
    "{% endfor %}"
)


def _turns(image: str) -> str:
    return _PARTS.replace("IMAGE", image)


_CHATML = "{{ '<|im_start|>' + message.role + '\\n' }}" + "PARTS" + "{{ '<|im_end|>\\n' }}"
_SYSTEM = (
    "{% if loop.first and message.role != 'system' %}"
    "{{ '<|im_start|>system\\nYou are a helpful assistant.<|im_end|>\\n' }}"
    "{% endif %}"
)
_ASK = "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"


def _chatml(image: str, system: str = "") -> str:
    body = _CHATML.replace("PARTS", _turns(image))
    return "{% for message in messages %}" + system + body + "{% endfor %}" + _ASK


_QWEN_IMAGE = "<|vision_start|><|image_pad|><|vision_end|>"

TEMPLATES = {
    # no end token behind an answer
    "llava": (
        "{% for message in messages %}{{ message.role.upper() + ': ' }}"
        "{% for part in message.content %}"
        "{{ '<image>\\n' if part.type == 'image' else part.text + ' ' }}"
        "{% endfor %}{% endfor %}{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}"
    ),
    # the prompt's end is part of the instruction
    "llava_next": (
        "{% for message in messages %}{% if message.role == 'user' %}{{ '[INST] ' }}"
        + _turns("{{ '<image>\\n' }}")
        + "{{ ' [/INST]' }}{% else %}{{ ' ' }}"
        + _turns("")
        + "{{ '</s> ' }}{% endif %}{% endfor %}"
    ),
    # an answer begins with a space more than a prompt ends with
    "llava_onevision": (
        "{% for message in messages %}{{ '<|im_start|>' + message.role + ' ' }}"
        "{% for part in message.content %}"
        "{{ '<image>' if part.type == 'image' else '\\n' + part.text }}"
        "{% endfor %}{{ '<|im_end|>' }}{% endfor %}" + _ASK
    ),
    "qwen2_5_vl": _chatml(_QWEN_IMAGE, _SYSTEM),
    "qwen3_vl": _chatml(_QWEN_IMAGE),
    "internvl": _chatml("{{ '<IMG_CONTEXT>\\n' }}"),
    "smolvlm": (
        "{{ '<|im_start|>' }}{% for message in messages %}{{ message.role.capitalize() }}"
        "{{ ':' if message.content[0].type == 'image' else ': ' }}"
        + _turns("<image>")
        + "{{ '<end_of_utterance>\\n' }}{% endfor %}{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}"
    ),
}
