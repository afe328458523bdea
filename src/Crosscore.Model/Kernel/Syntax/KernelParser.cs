using Crosscore.Model.Kernel.Language;

namespace Crosscore.Model.Kernel.Syntax;

/// <summary>
/// Reads one file: its name, its base, and its declarations. Whether they make sense is for the checker.
/// </summary>
internal sealed class KernelParser
{
    private const string Beginnings =
        "'option', 'global', 'percpu', 'task', 'mm', 'syscall', 'interrupt', 'switch', 'function', 'syscall_return', "
        + "'interrupt_return', 'exit' or the end of the file";

    private readonly TokenReader _reader;
    private readonly ExpressionParser _expressions;
    private readonly StatementParser _statements;

    private KernelParser(string file, string text)
    {
        _reader = new TokenReader(file, text);
        _expressions = new ExpressionParser(_reader);
        _statements = new StatementParser(_reader);
    }

    public static DesignFile Parse(string file, string text) => new KernelParser(file, text).ParseFile(file);

    private DesignFile ParseFile(string file)
    {
        if (!_reader.AcceptWord("design"))
        {
            throw _reader.Unexpected("'design' and a name");
        }

        Token name = ExpectDesignName();
        Token parent = default;
        if (_reader.AcceptWord("extends"))
        {
            parent = ExpectDesignName();
        }

        _reader.Expect(";", parent.Text is null ? "or 'extends'" : "after the name of the base");
        var declarations = new List<Declaration>();
        while (_reader.Peek().Kind != TokenKind.End)
        {
            declarations.Add(ParseDeclaration());
        }

        return new DesignFile(file, name.Text, name.Position, parent.Text, parent.Position, declarations);
    }

    private Token ExpectDesignName() =>
        _reader.Peek().Kind == TokenKind.DesignName ? _reader.Next() : throw _reader.Unexpected("the name of a design");

    private Declaration ParseDeclaration()
    {
        Token first = _reader.Peek();
        if (first.Kind != TokenKind.Name)
        {
            throw _reader.Unexpected(Beginnings);
        }

        _reader.Next();
        return first.Text switch
        {
            "option" => ParseOption(),
            "global" => ParseVariable(VariableScope.Global),
            "percpu" => ParseVariable(_reader.AcceptWord("register") ? VariableScope.Register : VariableScope.PerCpu),
            "task" => ParseVariable(VariableScope.Task),
            "mm" => ParseVariable(VariableScope.Mm),
            "syscall" => ParseRoutine(
                RoutineKind.Syscall,
                KernelType.Int,
                ParseNewName("the name of the system call"),
                typed: true
            ),
            "interrupt" => ParseRoutine(
                RoutineKind.Interrupt,
                KernelType.Void,
                ParseNewName("the name of the handler"),
                typed: true
            ),
            "function" => ParseFunction(),
            "switch" => ParseRoutine(RoutineKind.Switch, KernelType.Void, first, typed: false),
            "syscall_return" => ParseRoutine(RoutineKind.SyscallReturn, KernelType.Void, first, typed: true),
            "interrupt_return" => ParseRoutine(RoutineKind.InterruptReturn, KernelType.Void, first, typed: true),
            "exit" => ParseRoutine(RoutineKind.Exit, KernelType.Void, first, typed: true),
            _ => throw first.Position.Error($"found {first}, expected {Beginnings}"),
        };
    }

    private Token ParseNewName(string what)
    {
        Token name = _reader.ExpectName(what);
        return Vocabulary.IsTaken(name.Text)
            ? throw name.Position.Error($"found {name}, expected {what}; this word means something else already")
            : name;
    }

    private KernelType ParseType(string what)
    {
        Token word = _reader.ExpectName(what);
        return Vocabulary.IsType(word.Text, out KernelType type)
            ? type
            : throw word.Position.Error($"found {word}, expected {what}: bool, int, cpu, task, mm, cpus or lock");
    }

    private OptionDeclaration ParseOption()
    {
        KernelType? type = null;
        Token word = _reader.Peek();
        if (_reader.Peek(1).Kind == TokenKind.Name)
        {
            _reader.Next();
            type = word.Text switch
            {
                "bool" => KernelType.Bool,
                "int" => KernelType.Int,
                _ => throw word.Position.Error(
                    $"found {word}, expected the type of the option, 'bool' or 'int', or its name"
                ),
            };
        }

        Token name = ParseNewName("the name of the option");
        _reader.Expect("=", "and a value");
        Token value = _reader.Peek();
        if (value.Kind is not (TokenKind.Name or TokenKind.Number))
        {
            throw _reader.Unexpected("a number or a word");
        }

        _reader.Next();
        _reader.Expect(";", "after the option");
        return new OptionDeclaration(name.Text, name.Position, type, value.Text, value.Position);
    }

    private VariableDeclaration ParseVariable(VariableScope scope)
    {
        KernelType type = ParseType("the type of the variable");
        // A task's variable may be called 'mm' as in the kernel: after the dot nothing else can stand.
        Token name = scope is VariableScope.Task or VariableScope.Mm
            ? _reader.ExpectName("the name of the variable")
            : ParseNewName("the name of the variable");
        Expression? initial = _reader.Accept("=") ? _expressions.Parse() : null;
        _reader.Expect(";", initial is null ? "or '=' and a first value" : "after the variable");
        return new VariableDeclaration(name.Text, name.Position, scope, type, initial);
    }

    private RoutineDeclaration ParseFunction()
    {
        KernelType result = KernelType.Void;
        if (_reader.Peek(1).Kind == TokenKind.Name)
        {
            result = ParseType("the type of the function's result");
        }

        return ParseRoutine(RoutineKind.Function, result, ParseNewName("the name of the function"), typed: true);
    }

    // The two parameters of the context switch are tasks; everybody knows.
    private RoutineDeclaration ParseRoutine(RoutineKind kind, KernelType result, Token name, bool typed)
    {
        _reader.Expect("(", $"after '{name.Text}'");
        var parameters = new List<Parameter>();
        while (!_reader.Peek().Is(")"))
        {
            KernelType type = typed ? ParseType("the type of a parameter") : KernelType.Task;
            Token parameter = ParseNewName("the name of a parameter");
            parameters.Add(new Parameter(parameter.Text, parameter.Position, type));
            if (!_reader.Accept(","))
            {
                break;
            }
        }

        Token close = _reader.Expect(")", "after the parameters");
        if (kind == RoutineKind.Switch && parameters.Count != 2)
        {
            throw close.Position.Error(
                $"found {parameters.Count} parameters, expected two: the task that "
                    + "ran and the task that runs next, as in 'switch (prev, next)'"
            );
        }

        if (
            kind
                is RoutineKind.Interrupt
                    or RoutineKind.SyscallReturn
                    or RoutineKind.InterruptReturn
                    or RoutineKind.Exit
            && parameters.Count != 0
        )
        {
            throw parameters[0]
                .Position.Error(
                    $"found '{parameters[0].Name}', expected ')': the machine calls '{name.Text}' without arguments"
                );
        }

        return new RoutineDeclaration(
            name.Text,
            name.Position,
            kind,
            result,
            parameters,
            _statements.ParseBlock("and the body")
        );
    }
}
