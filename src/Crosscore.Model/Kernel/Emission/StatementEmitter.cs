using Crosscore.Model.Kernel.Checking;
using Crosscore.Model.Kernel.Language;
using Crosscore.Model.Kernel.Syntax;
using Crosscore.Model.Programs;

namespace Crosscore.Model.Kernel.Emission;

/// <summary>Writes statements. The checker has been here: everything has a meaning.</summary>
internal sealed class StatementEmitter(EmissionInput input, RoutineEmitter routine)
{
    private CodeWriter Writer => routine.Writer;

    private ExpressionEmitter Expressions => routine.Expressions;

    private Frame Frame => routine.Frame;

    /// <summary>Writes the body of a routine; a 'return' at its end needs no jump.</summary>
    public void EmitBody(BlockStatement body)
    {
        ReturnStatement? last = body.Statements.Count > 0 ? body.Statements[^1] as ReturnStatement : null;
        var names = new List<string>();
        foreach (Statement statement in body.Statements)
        {
            if (statement != last)
            {
                Emit(statement, names);
            }
        }

        if (last?.Value is not null)
        {
            routine.At(last.Position);
            SetResult(last.Value);
        }

        Leave(names);
    }

    // Temporaries live as long as a statement.
    private void Emit(Statement statement, List<string> names)
    {
        routine.At(statement.Position);
        int mark = Writer.Mark;
        switch (statement)
        {
            case BlockStatement block:
                Emit(block);
                break;
            case LocalStatement local:
                Declare(local, mark);
                names.Add(local.Name);
                break;
            case AssignStatement assign:
                Assign(assign);
                break;
            case IfStatement branch:
                Emit(branch, mark);
                break;
            case WhileStatement loop:
                Emit(loop, mark);
                break;
            case ForStatement loop:
                Emit(loop);
                break;
            case ReturnStatement leave:
                if (leave.Value is not null)
                {
                    SetResult(leave.Value);
                }

                Writer.Jump(Frame.End);
                break;
            case BreakStatement:
                Writer.Jump(Frame.Loops.Peek().Break);
                break;
            case ContinueStatement:
                Writer.Jump(Frame.Loops.Peek().Continue);
                break;
            case CallStatement call:
                Expressions.Call(call.Call);
                break;
            case LabeledStatement labeled when !input.Removed.Contains($"{Frame.Routine.Name}.{labeled.Label}"):
                routine.At(labeled.Inner.Position);
                Expressions.Call(labeled.Inner.Call);
                break;
        }

        Writer.ReleaseTo(mark);
    }

    private void Emit(BlockStatement block)
    {
        var names = new List<string>();
        foreach (Statement statement in block.Statements)
        {
            Emit(statement, names);
        }

        Leave(names);
    }

    private void EmitBodyOf(Statement statement) => Emit(statement, []);

    private void Leave(List<string> names)
    {
        foreach (string name in names)
        {
            if (Frame.Locals.Remove(name, out Local local) && local.IsOwned)
            {
                Writer.Sink.ReleaseRegister(local.Value.Operand.Register);
            }
        }
    }

    // A local that never changes is its first value, without a register where that is a constant.
    private void Declare(LocalStatement local, int mark)
    {
        Operand value = Expressions.Value(local.Initial).Operand;
        bool changes = TreeWalk.Assigns(Frame.Routine.Body, local.Name);
        if (value.IsConstant && !changes)
        {
            Frame.Locals.Add(local.Name, new Local(new Value(value, local.Type), IsOwned: false));
            return;
        }

        if (!Writer.TryKeep(value, mark))
        {
            value = routine.Copy(value);
            Writer.TryKeep(value, mark);
        }

        Frame.Locals.Add(local.Name, new Local(new Value(value, local.Type), IsOwned: true));
    }

    private void Assign(AssignStatement assign)
    {
        Operand address = default;
        VariableDeclaration? place = Expressions.TryAddress(assign.Target, ref address);
        Operand value = Expressions.Value(assign.Value).Operand;
        if (assign.Operator is not null)
        {
            Value old = place is null
                ? Expressions.Value(assign.Target)
                : new Value(Expressions.Load(place, address), place.Type);
            KernelType right = Expressions.TypeOf(assign.Value);
            value = Writer.Compute(
                Operators.Find(assign.Operator, old.Type, right)!.Value.Function,
                old.Operand,
                value
            );
        }

        if (place is not null)
        {
            Expressions.Store(place, address, value);
        }
        else
        {
            Writer.Emit(MicroOp.Copy(Expressions.RegisterOf((NameExpression)assign.Target), value));
        }
    }

    // Where a statement does nothing but go somewhere, the condition goes there itself.
    private Joint? TargetOf(Statement statement) =>
        statement switch
        {
            ReturnStatement { Value: null } => Frame.End,
            BreakStatement => Frame.Loops.Peek().Break,
            ContinueStatement => Frame.Loops.Peek().Continue,
            _ => null,
        };

    private void Emit(IfStatement branch, int mark)
    {
        if (branch.Else is null && TargetOf(branch.Then) is { } target)
        {
            Expressions.JumpIf(branch.Condition, holds: true, target);
            return;
        }

        var otherwise = new Joint();
        Expressions.JumpUnless(branch.Condition, otherwise);
        Writer.ReleaseTo(mark);
        EmitBodyOf(branch.Then);
        if (branch.Else is null)
        {
            Writer.Bind(otherwise);
            return;
        }

        var end = new Joint();
        Writer.Jump(end);
        Writer.Bind(otherwise);
        EmitBodyOf(branch.Else);
        Writer.Bind(end);
    }

    private void Emit(WhileStatement loop, int mark)
    {
        (Joint end, Joint again) = (new Joint(), new Joint());
        int start = Writer.Sink.Position;
        Expressions.JumpUnless(loop.Condition, end);
        Writer.ReleaseTo(mark);
        Frame.Loops.Push((end, again));
        EmitBodyOf(loop.Body);
        Frame.Loops.Pop();
        Writer.Bind(again);
        routine.At(loop.Position);
        Writer.JumpBack(start);
        Writer.Bind(end);
    }

    // Unrolled: in each copy the CPU is a constant, and so are the addresses of its variables.
    private void Emit(ForStatement loop)
    {
        Operand set = Expressions.Value(loop.Set).Operand;
        var end = new Joint();
        for (int cpu = 0; cpu < input.Configuration.Cpus; cpu++)
        {
            if (set.IsConstant && ((set.Constant >> cpu) & 1) == 0)
            {
                continue;
            }

            int mark = Writer.Mark;
            routine.At(loop.Position);
            var next = new Joint();
            ulong bit = 1UL << cpu;
            if (!set.IsConstant)
            {
                Writer.Branch(
                    Writer.Compute(static (mask, one) => (mask & one) == 0 ? 1UL : 0, set, Operand.Number(bit)),
                    next
                );
            }

            Frame.Locals.Add(
                loop.Name,
                new Local(new Value(Operand.Number((ulong)cpu), KernelType.Cpu), IsOwned: false)
            );
            if (loop.Condition is not null)
            {
                Expressions.JumpUnless(loop.Condition, next);
            }

            Writer.ReleaseTo(mark);
            Frame.Loops.Push((end, next));
            EmitBodyOf(loop.Body);
            Frame.Loops.Pop();
            Frame.Locals.Remove(loop.Name);
            Writer.Bind(next);
        }

        Writer.Bind(end);
    }

    private void SetResult(Expression expression)
    {
        Operand value = Expressions.Value(expression).Operand;
        if (Frame.ResultRegister >= 0)
        {
            Writer.Emit(MicroOp.Copy(Frame.ResultRegister, value));
            return;
        }

        // The routine's locals end here, but not the temporaries of the statement that called it.
        bool isLocal = Frame.Locals.Values.Any(local => local.IsOwned && local.Value.Operand == value);
        Frame.Result = isLocal ? routine.Copy(value) : value;
    }
}
