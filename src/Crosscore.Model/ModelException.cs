namespace Crosscore.Model;

/// <summary>A program that the model cannot explore: it does something that has no defined meaning here.</summary>
public sealed class ModelException(string message) : Exception(message)
{
    /// <summary>The thread that it is about; -1 for none.</summary>
    public int Thread { get; init; } = -1;

    /// <summary>The front end's number of the instruction that it is about; -1 for none.</summary>
    public int Instruction { get; init; } = -1;

    /// <summary>The same about an instruction of a thread.</summary>
    internal ModelException At(int thread, int instruction) =>
        new(Message) { Thread = thread, Instruction = instruction };
}
