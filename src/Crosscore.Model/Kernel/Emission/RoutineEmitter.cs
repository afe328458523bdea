using Crosscore.Model.Kernel.Checking;
using Crosscore.Model.Kernel.Language;
using Crosscore.Model.Kernel.Syntax;
using Crosscore.Model.Programs;

namespace Crosscore.Model.Kernel.Emission;

/// <summary>What the emitters of one piece of code share.</summary>
/// <param name="Design">The design.</param>
/// <param name="Configuration">What it is compiled for.</param>
/// <param name="Layout">Where its variables lie.</param>
/// <param name="Removed">The labels whose calls are left out.</param>
/// <param name="LineOf">The index of a place in the table of source lines.</param>
internal sealed record EmissionInput(
    MergedDesign Design,
    KernelConfiguration Configuration,
    VariableLayout Layout,
    IReadOnlySet<string> Removed,
    Func<Position, int> LineOf
);

/// <summary>Writes routines: the one that the machine calls, and those that it calls in turn, in their place.</summary>
internal sealed class RoutineEmitter
{
    private readonly EmissionInput _input;
    private readonly StatementEmitter _statements;

    public RoutineEmitter(EmissionInput input, ICodeSink sink, RoutineKind entry)
    {
        _input = input;
        Entry = entry;
        Writer = new CodeWriter(sink, CodeContext.AtEntry(entry));
        Expressions = new ExpressionEmitter(input, this);
        _statements = new StatementEmitter(input, this);
    }

    /// <summary>What the machine called.</summary>
    public RoutineKind Entry { get; }

    public CodeWriter Writer { get; }

    public ExpressionEmitter Expressions { get; }

    /// <summary>The routine that is being written now.</summary>
    public Frame Frame { get; private set; } = null!;

    /// <summary>Writes a routine in place and gives its result, which is a temporary or a constant.</summary>
    public Operand Inline(RoutineDeclaration routine, IReadOnlyList<Operand> arguments)
    {
        Frame caller = Frame;
        int line = Writer.Line;
        var frame = new Frame(routine);
        var owned = new List<int>();
        for (int index = 0; index < arguments.Count; index++)
        {
            Parameter parameter = routine.Parameters[index];
            bool changes = TreeWalk.Assigns(routine.Body, parameter.Name);
            Operand value = changes ? Copy(arguments[index]) : arguments[index];
            frame.Locals.Add(parameter.Name, new Local(new Value(value, parameter.Type), IsOwned: false));
        }

        if (routine.Result != KernelType.Void && !ReturnsOnlyAtItsEnd(routine))
        {
            frame.ResultRegister = Writer.Temporary();
        }

        Frame = frame;
        _statements.EmitBody(routine.Body);
        Writer.Bind(frame.End);
        Frame = caller;
        Writer.Line = line;
        return frame.ResultRegister >= 0 ? Operand.Of(frame.ResultRegister) : frame.Result;
    }

    /// <summary>A temporary with the same value.</summary>
    public Operand Copy(Operand value)
    {
        int copy = Writer.Temporary();
        Writer.Emit(MicroOp.Copy(copy, value));
        return Operand.Of(copy);
    }

    public void At(Position position) => Writer.Line = _input.LineOf(position);

    private static bool ReturnsOnlyAtItsEnd(RoutineDeclaration routine)
    {
        List<ReturnStatement> returns = [.. TreeWalk.Statements(routine.Body).OfType<ReturnStatement>()];
        return returns.Count == 1 && routine.Body.Statements[^1] == returns[0];
    }
}
