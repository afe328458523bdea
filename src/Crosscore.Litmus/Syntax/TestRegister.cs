namespace Crosscore.Litmus.Syntax;

/// <summary>A general register of the instruction set that a test is written in.</summary>
/// <param name="Number">Its number there.</param>
/// <param name="Name">Its full name, as herd writes it.</param>
internal readonly record struct TestRegister(int Number, string Name)
{
    /// <summary>
    /// Gets the question, such as <c>fault(P0:L0)</c>, whose answer this is instead of a register: not zero where an
    /// instruction faulted.
    /// </summary>
    public FaultQuestion? Fault { get; init; }

    /// <summary>Gets the place of the answer to a question about faults.</summary>
    /// <param name="question">The question.</param>
    internal static TestRegister AnswerTo(FaultQuestion question) => new(0, $"fault({question})") { Fault = question };
}
