namespace Crosscore.Model;

/// <summary>A program that the model cannot explore: it does something that has no defined meaning here.</summary>
public sealed class ModelException(string message) : Exception(message);
