using Crosscore.Model.Kernel.Language;
using Crosscore.Model.Kernel.Syntax;

namespace Crosscore.Model.Kernel.Checking;

/// <summary>Checks one routine: its types, that it returns what it promises, that its labels are its own.</summary>
internal sealed class StatementChecker
{
    private readonly RoutineDeclaration _routine;
    private readonly LocalScope _locals;
    private readonly ExpressionChecker _expressions;
    private readonly Dictionary<string, Position> _labels = [];
    private int _loops;

    public StatementChecker(MergedDesign design, RoutineDeclaration routine)
    {
        _routine = routine;
        _locals = new LocalScope(design);
        _expressions = new ExpressionChecker(design, _locals);
    }

    public void Check()
    {
        foreach (Parameter parameter in _routine.Parameters)
        {
            if (parameter.Type == KernelType.Lock)
            {
                throw parameter.Position.Error(
                    $"found a lock '{parameter.Name}', expected a value; locks are variables in memory"
                );
            }

            _locals.Add(
                parameter.Name,
                parameter.Position,
                parameter.Type,
                writable: _routine.Kind != RoutineKind.Switch
            );
        }

        bool fallsThrough = Check(_routine.Body);
        if (fallsThrough && _routine.Result != KernelType.Void)
        {
            throw _routine.Body.End.Error(
                $"found the end of '{_routine.Name}', expected 'return' and "
                    + $"{ExpressionChecker.Describe(_routine.Result)} on every path"
            );
        }

        if (_routine.Kind == RoutineKind.Switch)
        {
            CheckSwitch();
        }
    }

    // True when execution can continue behind the statement.
    private bool Check(Statement statement)
    {
        switch (statement)
        {
            case BlockStatement block:
                int depth = _locals.Depth;
                bool goesOn = true;
                foreach (Statement inner in block.Statements)
                {
                    goesOn &= Check(inner);
                }

                _locals.Leave(depth);
                return goesOn;
            case LocalStatement local:
                Check(local);
                return true;
            case AssignStatement assign:
                Check(assign);
                return true;
            case IfStatement branch:
                _expressions.Expect(branch.Condition, KernelType.Bool);
                bool then = Check(branch.Then);
                bool otherwise = branch.Else is null || Check(branch.Else);
                return then || otherwise;
            case WhileStatement loop:
                _expressions.Expect(loop.Condition, KernelType.Bool);
                CheckLoop(loop.Body);
                return true;
            case ForStatement loop:
                Check(loop);
                return true;
            case ReturnStatement leave:
                Check(leave);
                return false;
            case BreakStatement or ContinueStatement when _loops == 0:
                throw statement.Position.Error("found 'break' or 'continue' outside a loop");
            case BreakStatement or ContinueStatement:
                return false;
            case LabeledStatement labeled:
                Check(labeled);
                return true;
            case CallStatement call:
                _expressions.Call(call.Call);
                return true;
            default:
                throw new InvalidOperationException($"Unknown statement {statement}.");
        }
    }

    private void Check(LocalStatement local)
    {
        if (local.Type == KernelType.Lock)
        {
            throw local.Position.Error($"found a lock '{local.Name}', expected a value; locks are variables in memory");
        }

        _expressions.Expect(local.Initial, local.Type);
        _locals.Add(local.Name, local.NamePosition, local.Type);
    }

    private void Check(AssignStatement assign)
    {
        KernelType type = Target(assign.Target);
        if (assign.Operator is null)
        {
            _expressions.Expect(assign.Value, type);
            return;
        }

        KernelType value = _expressions.Value(assign.Value);
        if (Operators.Find(assign.Operator, type, value) is not { } result || !Operators.Fits(result.Type, type))
        {
            throw assign.Position.Error(
                $"found {ExpressionChecker.Describe(type)} {assign.Operator}= "
                    + $"{ExpressionChecker.Describe(value)}, expected two that '{assign.Operator}' can take together"
            );
        }
    }

    private KernelType Target(Expression target)
    {
        if (target is NameExpression name && _locals.TryFind(name.Name, out KernelType type, out bool writable))
        {
            return writable
                ? type
                : throw name.Position.Error($"found '{name.Name}', expected something that can be assigned to");
        }

        // A register of the CPU is no place in memory, but can be assigned to.
        type = _expressions.Value(target);
        bool assignable =
            _expressions.TryPlace(target) is not null
            || (
                target is NameExpression register
                && !Vocabulary.IsTaken(register.Name)
                && !_expressions.IsOption(register.Name)
            );
        return assignable
            ? type
            : throw target.Position.Error("found a value, expected a local, a variable or a register to assign to");
    }

    private void CheckLoop(Statement body)
    {
        _loops++;
        Check(body);
        _loops--;
    }

    private void Check(ForStatement loop)
    {
        _expressions.Expect(loop.Set, KernelType.Cpus);
        int depth = _locals.Depth;
        _locals.Add(loop.Name, loop.NamePosition, KernelType.Cpu, writable: false);
        if (loop.Condition is not null)
        {
            _expressions.Expect(loop.Condition, KernelType.Bool);
        }

        CheckLoop(loop.Body);
        _locals.Leave(depth);
    }

    private void Check(ReturnStatement leave)
    {
        if (_routine.Result == KernelType.Void)
        {
            _ = leave.Value is null
                ? 0
                : throw leave.Value.Position.Error($"found a value, expected ';': '{_routine.Name}' gives none");
            return;
        }

        if (leave.Value is null)
        {
            throw leave.Position.Error(
                $"found 'return' alone, expected {ExpressionChecker.Describe(_routine.Result)} after it"
            );
        }

        _expressions.Expect(leave.Value, _routine.Result);
    }

    private void Check(LabeledStatement labeled)
    {
        if (!_labels.TryAdd(labeled.Label, labeled.Position))
        {
            throw labeled.Position.Error(
                $"found a second label '{labeled.Label}' in '{_routine.Name}', "
                    + $"expected one; the first is in line {_labels[labeled.Label].Line}"
            );
        }

        KernelType result = _expressions.Call(labeled.Inner.Call);
        bool removable =
            result == KernelType.Void
            && (
                !Primitives.All.TryGetValue(labeled.Inner.Call.Name, out PrimitiveSignature? signature)
                || LabelKinds.IsRemovable(signature.Primitive)
            );
        if (!removable)
        {
            throw labeled.Inner.Position.Error(
                $"found '{labeled.Inner.Call.Name}' after the label "
                    + $"'{labeled.Label}', expected what can be left out: "
                    + "a barrier, a serialization, a restart, an interrupt or a function without result"
            );
        }
    }

    private void CheckSwitch()
    {
        List<Statement> all = [.. TreeWalk.Statements(_routine.Body).Where(IsSwitchTo)];
        List<Statement> top = [.. _routine.Body.Statements.Where(IsSwitchTo)];
        if (all.Count != top.Count || top.Count > 1)
        {
            throw all.Except(top)
                .Concat(top)
                .First()
                .Position.Error(
                    "found 'switch_to' here, expected it once, outside "
                        + "every 'if' and loop: a switch that began takes place"
                );
        }

        int switchTo = top.Count == 0 ? int.MaxValue : _routine.Body.Statements.ToList().IndexOf(top[0]);
        ReturnStatement? early = _routine
            .Body.Statements.Take(switchTo)
            .SelectMany(TreeWalk.Statements)
            .OfType<ReturnStatement>()
            .FirstOrDefault();
        if (early is not null)
        {
            throw early.Position.Error(
                "found 'return' before 'switch_to', expected it after: a switch that began takes place"
            );
        }
    }

    private static bool IsSwitchTo(Statement statement) =>
        statement is CallStatement { Call: { } call }
        && Primitives.All.TryGetValue(call.Name, out PrimitiveSignature? signature)
        && signature.Primitive == Primitive.SwitchTo;
}
