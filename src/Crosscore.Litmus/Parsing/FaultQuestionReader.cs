using Crosscore.Litmus.Isa.Common;
using Crosscore.Litmus.Syntax;

namespace Crosscore.Litmus.Parsing;

/// <summary>Reads the questions about faults in a condition.</summary>
internal sealed class FaultQuestionReader(LitmusScanner scanner, InitialState state, int threadCount)
{
    /// <summary>Whether a question about faults comes next.</summary>
    public bool IsNext => scanner.Peek().IsName("fault") && scanner.PeekSecond().Is("(");

    /// <summary>
    /// Reads <c>fault(P0:L0)</c>, <c>fault(P0:L0,x)</c> or <c>fault(P0,x,MMU:Translation)</c>: did the instruction
    /// there fault, accessing this, in that way?
    /// </summary>
    public (FaultQuestion Question, SourcePosition Position) Read()
    {
        Token first = scanner.Next();
        scanner.Expect("(", "after fault");
        Token column = scanner.Next();
        int? thread = column.Kind == TokenKind.Number ? (int)column.Value : column.ThreadNumber;
        if (thread is null || thread >= threadCount)
        {
            throw scanner.Unexpected(column, "the column of the instruction, such as P0");
        }

        var question = new FaultQuestion(thread.Value, null, null, null);
        if (scanner.Accept(":"))
        {
            Token label = scanner.Next();
            if (label.Kind != TokenKind.Name)
            {
                throw scanner.Unexpected(label, "a label");
            }

            state.Labels.Note($"P{thread}:{label.Text}", label.Position);
            question = question with { Label = label.Text };
        }

        while (scanner.Accept(","))
        {
            question = ParseFaultPart(question);
        }

        scanner.Expect(")", "after the fault");
        return (question, first.Position);
    }

    private FaultQuestion ParseFaultPart(FaultQuestion question)
    {
        Token part = scanner.Next();
        string text = part.Text + (scanner.Accept("-") ? "-" + scanner.Next().Text : "");
        text += scanner.Accept(":") ? ":" + scanner.Next().Text : "";
        if (FaultKindNames.Find(text) is FaultKind kind)
        {
            return question with { Kind = kind };
        }

        string kinds = string.Join(", ", Enum.GetValues<FaultKind>().Select(known => known.Name()));
        string location = part.Kind == TokenKind.Name && text == part.Text ? state.LocationName(part) : "";
        return state.Locations.Knows(location) && question.Location is null
            ? question with
            {
                Location = location,
            }
            : throw scanner.Error(part.Position, $"found '{text}', expected a location of the test or one of {kinds}");
    }
}
