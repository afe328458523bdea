using Crosscore.Model.Kernel.Language;
using Crosscore.Model.Kernel.Syntax;

namespace Crosscore.Model.Kernel.Checking;

/// <summary>Whether interrupts and preemption are off at a place.</summary>
/// <param name="InterruptsOff">No interrupt comes here.</param>
/// <param name="PreemptionOff">How many times preemption was disabled.</param>
/// <param name="Awaited">Whether interrupts were sent that the routine has not waited for yet.</param>
internal readonly record struct CodeContext(bool InterruptsOff, int PreemptionOff, bool Awaited = false)
{
    /// <summary>
    /// What a routine begins with: system calls are interruptible and preemptible, everything else the machine calls
    /// with both off.
    /// </summary>
    public static CodeContext AtEntry(RoutineKind kind) =>
        kind is RoutineKind.Syscall or RoutineKind.Exit or RoutineKind.Function ? new(false, 0) : new(true, 1);

    public override string ToString() =>
        (InterruptsOff ? "interrupts off" : "interrupts on")
        + (PreemptionOff > 0 ? " and preemption off" : " and preemption on")
        + (Awaited ? " and interrupts sent that are not waited for" : "");
}

/// <summary>
/// Follows one routine that the machine calls, functions looked into, and checks that every place is always in the same
/// context: then the context is a property of the code, and the exploration need not carry it in its states. Also that
/// what may not be done in a context is not done there.
/// </summary>
internal sealed class ContextChecker(MergedDesign design, RoutineDeclaration entry)
{
    private Frame _frame = new(entry);

    // Null behind a return: no path comes here.
    private CodeContext? _now = CodeContext.AtEntry(entry.Kind);

    private sealed class Frame(RoutineDeclaration routine)
    {
        public RoutineDeclaration Routine { get; } = routine;

        public CodeContext? AtReturn { get; set; }

        public CodeContext? AtBreak { get; set; }

        public CodeContext? AtContinue { get; set; }
    }

    public void Check()
    {
        CodeContext begin = _now!.Value;
        Walk(entry.Body);
        CodeContext? end = Join(_frame.AtReturn, _now, entry.Body.End, "the end of the routine");
        if (end is { } context && context != begin)
        {
            throw entry.Body.End.Error(
                $"found the end of '{entry.Name}' with {context}, expected {begin}, as at its beginning"
            );
        }
    }

    private void Walk(Statement statement)
    {
        if (_now is null)
        {
            return;
        }

        foreach (Expression expression in Evaluated(statement))
        {
            Walk(expression);
        }

        switch (statement)
        {
            case BlockStatement block:
                foreach (Statement inner in block.Statements)
                {
                    Walk(inner);
                }

                break;
            case IfStatement branch:
                Walk(branch);
                break;
            case WhileStatement or ForStatement:
                WalkLoop(statement);
                break;
            case ReturnStatement:
                _frame.AtReturn = Join(_frame.AtReturn, _now, statement.Position, "'return'");
                _now = null;
                break;
            case BreakStatement:
                _frame.AtBreak = Join(_frame.AtBreak, _now, statement.Position, "'break'");
                _now = null;
                break;
            case ContinueStatement:
                _frame.AtContinue = Join(_frame.AtContinue, _now, statement.Position, "'continue'");
                _now = null;
                break;
            case LabeledStatement labeled:
                CodeContext before = _now.Value;
                Walk(labeled.Inner);
                if (_now is { } after && after != before)
                {
                    throw labeled.Position.Error(
                        $"found a label before what turns {before} into {after}, expected "
                            + "what leaves them alone: without it the rest would be meaningless"
                    );
                }

                break;
        }
    }

    private static IEnumerable<Expression> Evaluated(Statement statement) =>
        statement switch
        {
            LocalStatement local => [local.Initial],
            AssignStatement assign => [assign.Target, assign.Value],
            IfStatement branch => [branch.Condition],
            WhileStatement loop => [loop.Condition],
            ForStatement loop => [loop.Set],
            ReturnStatement { Value: { } value } => [value],
            CallStatement call => [call.Call],
            _ => [],
        };

    private void Walk(IfStatement branch)
    {
        CodeContext? before = _now;
        Walk(branch.Then);
        CodeContext? then = _now;
        _now = before;
        if (branch.Else is not null)
        {
            Walk(branch.Else);
        }

        _now = Join(then, _now, branch.Position, "the end of this 'if'");
    }

    private void WalkLoop(Statement loop)
    {
        CodeContext before = _now!.Value;
        (CodeContext? outerBreak, CodeContext? outerContinue) = (_frame.AtBreak, _frame.AtContinue);
        (_frame.AtBreak, _frame.AtContinue) = (null, null);
        if (loop is ForStatement { Condition: { } condition })
        {
            Walk(condition);
        }

        Walk(loop is WhileStatement whileLoop ? whileLoop.Body : ((ForStatement)loop).Body);
        CodeContext? again = Join(_frame.AtContinue, _now, loop.Position, "the end of this loop's body");
        _now = Join(before, again, loop.Position, "the beginning of this loop's body");
        _now = Join(_frame.AtBreak, _now, loop.Position, "the end of this loop");
        (_frame.AtBreak, _frame.AtContinue) = (outerBreak, outerContinue);
    }

    private static CodeContext? Join(CodeContext? one, CodeContext? other, Position position, string place)
    {
        return one is not null && other is not null && one != other
            ? throw position.Error(
                $"found {one} on one path and {other} on another, expected the same where they meet: {place}"
            )
            : one ?? other;
    }

    private void Walk(Expression expression)
    {
        switch (expression)
        {
            case NameExpression name:
                CheckRegister(name);
                break;
            case SetExpression set:
                WalkAll(set.Members);
                break;
            case FieldExpression field:
                Walk(field.Owner);
                break;
            case IndexExpression index:
                Walk(index.Index);
                break;
            case NotExpression not:
                Walk(not.Operand);
                break;
            case BinaryExpression binary:
                Walk(binary.Left);
                CodeContext? shortCircuit = _now;
                Walk(binary.Right);
                _now = binary.Operator is "&&" or "||"
                    ? Join(shortCircuit, _now, binary.Position, $"behind '{binary.Operator}'")
                    : _now;
                break;
            case CallExpression call:
                WalkAll(call.Arguments);
                Walk(call);
                break;
        }
    }

    private void WalkAll(IReadOnlyList<Expression> expressions)
    {
        foreach (Expression expression in expressions)
        {
            Walk(expression);
        }
    }

    // A local of the same name cannot be: LocalScope forbids it.
    private void CheckRegister(NameExpression name)
    {
        if (design.FindVariable(name.Name) is { Scope: VariableScope.Register } && _now is { InterruptsOff: false })
        {
            throw name.Position.Error(
                $"found the register '{name.Name}' with {_now}, expected "
                    + "interrupts off: the next line might run on another CPU"
            );
        }
    }

    private void Walk(CallExpression call)
    {
        if (_now is not { } now)
        {
            return;
        }

        if (Primitives.All.TryGetValue(call.Name, out PrimitiveSignature? signature))
        {
            _now = Apply(call, signature.Primitive, now);
            return;
        }

        RoutineDeclaration routine = design.FindRoutine(call.Name)!;
        if (routine.Kind == RoutineKind.Interrupt)
        {
            Require(call, now.InterruptsOff, "interrupts off, as where it is interrupted");
        }

        Frame caller = _frame;
        _frame = new Frame(routine);
        Walk(routine.Body);
        _now = Join(_frame.AtReturn, _now, routine.Body.End, "the end of the function");
        _frame = caller;
    }

    private CodeContext Apply(CallExpression call, Primitive primitive, CodeContext now)
    {
        switch (primitive)
        {
            case Primitive.IrqDisable:
                Require(call, !now.InterruptsOff, "interrupts on");
                return now with { InterruptsOff = true };
            case Primitive.IrqEnable:
                Require(call, now.InterruptsOff, "interrupts off");
                Require(
                    call,
                    !CodeContext.AtEntry(entry.Kind).InterruptsOff,
                    $"them to stay off: '{entry.Name}' runs with interrupts off"
                );
                return now with { InterruptsOff = false };
            case Primitive.PreemptDisable:
                return now with { PreemptionOff = now.PreemptionOff + 1 };
            case Primitive.PreemptEnable:
                Require(
                    call,
                    now.PreemptionOff > CodeContext.AtEntry(entry.Kind).PreemptionOff,
                    "'preempt_disable' before it"
                );
                Require(
                    call,
                    !now.Awaited,
                    "'ipi_wait' before it: the CPU that interrupted the others must be the one that waits"
                );
                return now with { PreemptionOff = now.PreemptionOff - 1 };
            case Primitive.IpiAndWait or Primitive.IpiSend or Primitive.IpiWait:
                Require(
                    call,
                    !now.InterruptsOff,
                    "interrupts on: two CPUs that wait for each other with interrupts off wait forever"
                );
                Require(
                    call,
                    now.PreemptionOff > 0,
                    "preemption off: the CPU that is left out must be the one that waits"
                );
                bool waits = primitive == Primitive.IpiWait;
                Require(
                    call,
                    now.Awaited == waits,
                    waits
                        ? "'ipi_send' before it"
                        : "'ipi_wait' before it: a CPU waits for all that it interrupted at once"
                );
                return now with { Awaited = primitive == Primitive.IpiSend };
            case Primitive.Schedule or Primitive.Sleep:
                Require(call, !now.InterruptsOff && now.PreemptionOff == 0, "interrupts on and preemption on");
                return now;
            case Primitive.SwitchTo:
                Require(call, entry.Kind == RoutineKind.Switch, "it in the context switch only");
                return now;
            default:
                return now;
        }
    }

    private void Require(CallExpression call, bool holds, string expected)
    {
        if (!holds)
        {
            throw call.Position.Error($"found '{call.Name}' with {_now}, expected {expected}");
        }
    }
}
