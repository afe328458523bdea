using System.Numerics;
using Crosscore.Model.Kernel.Checking;
using Crosscore.Model.Kernel.Language;
using Crosscore.Model.Kernel.Syntax;
using Crosscore.Model.Programs;

namespace Crosscore.Model.Kernel.Emission;

/// <summary>Writes expressions: values, conditions, and the addresses of variables.</summary>
internal sealed class ExpressionEmitter
{
    private readonly EmissionInput _input;
    private readonly RoutineEmitter _routine;
    private readonly PrimitiveEmitter _primitives;

    public ExpressionEmitter(EmissionInput input, RoutineEmitter routine)
    {
        _input = input;
        _routine = routine;
        _primitives = new PrimitiveEmitter(input, routine, this);
    }

    private CodeWriter Writer => _routine.Writer;

    public Value Value(Expression expression)
    {
        switch (expression)
        {
            case NumberExpression number:
                return Constant(number.Value, KernelType.Int);
            case NameExpression name:
                return Name(name);
            case SetExpression set:
                return Set(set);
            case CallExpression call:
                return Call(call);
            case NotExpression or BinaryExpression { Operator: "&&" or "||" }:
                return new Value(Truth(expression), KernelType.Bool);
            case BinaryExpression binary:
                return Binary(binary, binary.Operator);
            default:
                Operand address = default;
                VariableDeclaration place = TryAddress(expression, ref address)!;
                return new Value(Load(place, address), place.Type);
        }
    }

    /// <summary>The type of an expression whose value is at hand already.</summary>
    public KernelType TypeOf(Expression expression) =>
        expression switch
        {
            NumberExpression => KernelType.Int,
            SetExpression => KernelType.Cpus,
            NotExpression => KernelType.Bool,
            BinaryExpression { Operator: "&&" or "||" } => KernelType.Bool,
            BinaryExpression binary => Operators
                .Find(binary.Operator, TypeOf(binary.Left), TypeOf(binary.Right))!
                .Value.Type,
            IndexExpression index => _input.Design.FindVariable(index.Name)!.Type,
            FieldExpression field => _input.Design.FindVariable(field.Name)!.Type,
            CallExpression call => Primitives.All.ContainsKey(call.Name)
                ? TypeOf(call.Arguments[0])
                : _input.Design.FindRoutine(call.Name)!.Result,
            NameExpression name => TypeOfName(name.Name),
            _ => throw new InvalidOperationException($"Unknown expression {expression}."),
        };

    /// <summary>Goes to a joint when a condition does not hold.</summary>
    public void JumpUnless(Expression condition, Joint target) => JumpIf(condition, holds: false, target);

    /// <summary>
    /// Goes to a joint when a condition holds, or when it does not. What stands right of a short circuit is not even
    /// read when the left decides.
    /// </summary>
    public void JumpIf(Expression condition, bool holds, Joint target)
    {
        switch (condition)
        {
            case NotExpression not:
                JumpIf(not.Operand, !holds, target);
                break;
            case BinaryExpression { Operator: "&&" or "||" } pair when pair.Operator == "||" == holds:
                JumpIf(pair.Left, holds, target);
                JumpIf(pair.Right, holds, target);
                break;
            case BinaryExpression { Operator: "&&" or "||" } pair:
                var behind = new Joint();
                JumpIf(pair.Left, !holds, behind);
                JumpIf(pair.Right, holds, target);
                Writer.Bind(behind);
                break;
            case BinaryExpression binary when !holds && Operators.Opposite(binary.Operator) is { } opposite:
                Writer.Branch(Binary(binary, opposite).Operand, target);
                break;
            default:
                Operand value = Value(condition).Operand;
                Writer.Branch(
                    holds ? value : Writer.Compute(static (a, _) => a == 0 ? 1UL : 0, value, Operand.Number(0)),
                    target
                );
                break;
        }
    }

    /// <summary>
    /// The variable in memory that an expression names, and its address; <see langword="null"/> when it names none.
    /// </summary>
    public VariableDeclaration? TryAddress(Expression expression, ref Operand address)
    {
        _routine.At(expression.Position);
        switch (expression)
        {
            case NameExpression name
                when !_routine.Frame.Locals.ContainsKey(name.Name)
                    && _input.Design.FindVariable(name.Name) is { Scope: VariableScope.Global } global:
                address = Operand.Number(_input.Layout.AddressOf(name.Name));
                return global;
            case IndexExpression index:
                address = Address(index.Name, Value(index.Index).Operand, 0);
                return _input.Design.FindVariable(index.Name)!;
            case FieldExpression field:
                // Tasks and address spaces count from one, because none is zero.
                address = Address(field.Name, Value(field.Owner).Operand, 8);
                return _input.Design.FindVariable(field.Name)!;
            default:
                return null;
        }
    }

    public Operand Load(VariableDeclaration place, Operand address, AccessOrder order = AccessOrder.Plain)
    {
        int result = Writer.Temporary();
        Writer.Emit(InRegion(MicroOp.Load(result, address, 8), place) with { Order = order });
        return Operand.Of(result);
    }

    public void Store(
        VariableDeclaration place,
        Operand address,
        Operand value,
        AccessOrder order = AccessOrder.Plain
    ) => Writer.Emit(InRegion(MicroOp.Store(address, value, 8), place) with { Order = order });

    /// <summary>The register of a local, or of the CPU, that can be assigned to.</summary>
    public int RegisterOf(NameExpression name) =>
        _routine.Frame.Locals.TryGetValue(name.Name, out Local local)
            ? local.Value.Operand.Register
            : Writer.Sink.CpuRegister(name.Name, _input.Layout.Registers[name.Name]);

    /// <summary>Writes a call; the value of one that gives none is without meaning.</summary>
    public Value Call(CallExpression call)
    {
        if (Primitives.All.TryGetValue(call.Name, out PrimitiveSignature? signature))
        {
            return _primitives.Emit(call, signature.Primitive);
        }

        RoutineDeclaration routine = _input.Design.FindRoutine(call.Name)!;
        List<Operand> arguments = [.. call.Arguments.Select(argument => Value(argument).Operand)];
        return new Value(_routine.Inline(routine, arguments), routine.Result);
    }

    private static Value Constant(ulong value, KernelType type) => new(Operand.Number(value), type);

    private static MicroOp InRegion(MicroOp op, VariableDeclaration place) =>
        op.A.IsConstant ? op : op with { Region = place.Name };

    private Operand Address(string variable, Operand index, ulong below)
    {
        ulong first = _input.Layout.AddressOf(variable) - below;
        return Writer.Compute(static (element, start) => start + (8 * element), index, Operand.Number(first));
    }

    private Value Name(NameExpression name)
    {
        _routine.At(name.Position);
        if (_routine.Frame.Locals.TryGetValue(name.Name, out Local local))
        {
            return local.Value;
        }

        switch (name.Name)
        {
            case "true" or "false":
                return Constant(name.Name == "true" ? 1UL : 0, KernelType.Bool);
            case "none":
                return Constant(0, KernelType.None);
            case "online":
                return Constant(_input.Configuration.Online, KernelType.Cpus);
            case "num_online":
                return Constant((ulong)BitOperations.PopCount(_input.Configuration.Online), KernelType.Int);
            case "in_interrupt":
                return Constant(_routine.Entry == RoutineKind.Interrupt ? 1UL : 0, KernelType.Bool);
            case "this_cpu":
                return _input.Configuration.Cpus == 1
                    ? Constant(0, KernelType.Cpu)
                    : new Value(Read(MicroOpKind.ReadCpu), KernelType.Cpu);
            case "current":
                int task = Writer.Sink.Task;
                return task >= 0
                    ? Constant((ulong)task + 1, KernelType.Task)
                    : new Value(Read(MicroOpKind.ReadCurrent), KernelType.Task);
        }

        if (Vocabulary.Errors.TryGetValue(name.Name, out ulong error))
        {
            return Constant(error, KernelType.Int);
        }

        if (_input.Design.Options.TryGetValue(name.Name, out OptionDeclaration? option))
        {
            return option.Type == KernelType.Bool
                ? Constant(option.Value == "true" ? 1UL : 0, KernelType.Bool)
                : Constant(ulong.Parse(option.Value), KernelType.Int);
        }

        VariableDeclaration variable = _input.Design.FindVariable(name.Name)!;
        // A copy: the register may change before the value is used.
        Operand value =
            variable.Scope == VariableScope.Register
                ? _routine.Copy(Operand.Of(RegisterOf(name)))
                : Load(variable, Operand.Number(_input.Layout.AddressOf(name.Name)));
        return new Value(value, variable.Type);
    }

    private KernelType TypeOfName(string name) =>
        _routine.Frame.Locals.TryGetValue(name, out Local local) ? local.Value.Type
        : Vocabulary.Values.TryGetValue(name, out KernelType type) ? type
        : Vocabulary.Errors.ContainsKey(name) ? KernelType.Int
        : _input.Design.Options.TryGetValue(name, out OptionDeclaration? option) ? option.Type!.Value
        : _input.Design.FindVariable(name)!.Type;

    private Operand Read(MicroOpKind kind)
    {
        int result = Writer.Temporary();
        Writer.Emit(MicroOp.Read(kind, result));
        return Operand.Of(result);
    }

    private Value Set(SetExpression set)
    {
        Operand mask = Operand.Number(0);
        foreach (Expression member in set.Members)
        {
            mask = Writer.Compute(static (cpus, cpu) => cpus | (1UL << (int)cpu), mask, Value(member).Operand);
        }

        return new Value(mask, KernelType.Cpus);
    }

    private Value Binary(BinaryExpression binary, string symbol)
    {
        Value left = Value(binary.Left);
        Value right = Value(binary.Right);
        (KernelType type, ValueFunction function) = Operators.Find(symbol, left.Type, right.Type)!.Value;
        return new Value(Writer.Compute(function, left.Operand, right.Operand), type);
    }

    private Operand Truth(Expression condition)
    {
        if (condition is NotExpression not)
        {
            return Writer.Compute(static (a, _) => a == 0 ? 1UL : 0, Value(not.Operand).Operand, Operand.Number(0));
        }

        var end = new Joint();
        int result = Writer.Temporary();
        Writer.Emit(MicroOp.Copy(result, Operand.Number(0)));
        JumpUnless(condition, end);
        Writer.Emit(MicroOp.Copy(result, Operand.Number(1)));
        Writer.Bind(end);
        return Operand.Of(result);
    }
}
