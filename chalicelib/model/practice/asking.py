"""The app's own words in exercises, by language. Other languages get English."""

from typing import Literal, get_args

from chalicelib.model.practice.exercises import Language

LANGUAGES: tuple[Language, ...] = get_args(Language)
Phrase = Literal["complete", "finish", "define", "identify", "why", "order", "picture_text", "picture_label"]
_PHRASES: dict[Language, dict[Phrase, str]] = {
    "en": {
        "complete": "Complete the sentence: {0}",
        "finish": "Finish the sentence in your own words: “{0} …”",
        "define": "What is “{0}”, by your document?",
        "identify": "Who or what is “{0}”, by your document?",
        "why": "Why, by your document? “{0}.”",
        "order": "Put the steps in order: answer with their letters, the first step first.",
        "picture_text": "Read the picture and complete what is written in it: {0}",
        "picture_label": "Which of these does the picture show?",
    },
    "de": {
        "complete": "Ergänze den Satz: {0}",
        "finish": "Beende den Satz mit eigenen Worten: „{0} …“",
        "define": "Was ist „{0}“ nach deinem Dokument?",
        "identify": "Wer oder was ist „{0}“ nach deinem Dokument?",
        "why": "Warum ist das nach deinem Dokument so? „{0}.“",
        "order": "Bringe die Schritte in die richtige Reihenfolge: antworte mit ihren Buchstaben, den ersten zuerst.",
        "picture_text": "Lies das Bild und ergänze, was darin steht: {0}",
        "picture_label": "Was davon zeigt das Bild?",
    },
    "fr": {
        "complete": "Complétez la phrase : {0}",
        "finish": "Terminez la phrase avec vos propres mots : « {0} … »",
        "define": "Qu'est-ce que « {0} » d'après votre document ?",
        "identify": "Qui ou qu'est-ce que « {0} » d'après votre document ?",
        "why": "Pourquoi, d'après votre document ? « {0}. »",
        "order": "Mettez les étapes dans l'ordre : répondez par leurs lettres, la première d'abord.",
        "picture_text": "Lisez l'image et complétez ce qui y est écrit : {0}",
        "picture_label": "Que montre l'image ?",
    },
    "es": {
        "complete": "Completa la frase: {0}",
        "finish": "Termina la frase con tus propias palabras: «{0} …»",
        "define": "¿Qué es «{0}» según tu documento?",
        "identify": "¿Quién o qué es «{0}» según tu documento?",
        "why": "¿Por qué, según tu documento? «{0}.»",
        "order": "Ordena los pasos: responde con sus letras, el primero primero.",
        "picture_text": "Lee la imagen y completa lo que está escrito en ella: {0}",
        "picture_label": "¿Qué muestra la imagen?",
    },
    "ru": {
        "complete": "Дополните предложение: {0}",
        "finish": "Закончите предложение своими словами: «{0} …»",
        "define": "Что такое «{0}» согласно вашему документу?",
        "identify": "Кто или что такое «{0}» согласно вашему документу?",
        "why": "Почему это так согласно вашему документу? «{0}.»",
        "order": "Расположите шаги по порядку: ответьте их буквами, начиная с первого.",
        "picture_text": "Прочитайте текст на изображении и дополните: {0}",
        "picture_label": "Что изображено на картинке?",
    },
    "zh": {
        "complete": "补全句子：{0}",
        "finish": "用自己的话把句子补充完整：“{0}……”",
        "define": "根据您的文档，“{0}”是什么？",
        "identify": "根据您的文档，“{0}”是谁或是什么？",
        "why": "根据您的文档，为什么？“{0}。”",
        "order": "按顺序排列步骤：用字母回答，第一步在前。",
        "picture_text": "看图并补全其中的文字：{0}",
        "picture_label": "图中显示的是哪一项？",
    },
}


def ask(phrase: Phrase, language: str | None, *given: str) -> str:
    """Return a phrase with what is given in it."""
    words = _PHRASES[language] if language in LANGUAGES else _PHRASES["en"]
    return words[phrase].format(*given)
