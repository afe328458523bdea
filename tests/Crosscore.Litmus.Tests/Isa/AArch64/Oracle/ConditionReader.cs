using System.Globalization;
using System.Text.RegularExpressions;

namespace Crosscore.Litmus.Tests.Isa.AArch64.Oracle;

/// <summary>Reads <c>locations</c>, <c>filter</c> and the condition, and collects what they look at.</summary>
internal sealed partial class ConditionReader(OracleReader test, string text)
{
    private readonly List<string> _tokens = [.. Tokens().Matches(text).Select(match => match.Value)];
    private int _at;

    public List<OracleLocation> Observables { get; } = [];

    public OracleQuantifier Quantifier { get; private set; }

    public Func<FinalState, bool> Condition { get; private set; } = _ => true;

    public Func<FinalState, bool>? Filter { get; private set; }

    [GeneratedRegex(@"/\\|\\/|[A-Za-z_]\w*|-?0x[0-9a-fA-F]+|-?\d+|\S")]
    private static partial Regex Tokens();

    public void Read()
    {
        if (Accept("locations"))
        {
            Expect("[");
            while (!Accept("]"))
            {
                Location();
                Accept(";");
            }
        }

        if (Accept("filter"))
        {
            Filter = Either();
        }

        bool negated = Accept("~") || Accept("not");
        string quantifier = Next();
        Quantifier = quantifier switch
        {
            "exists" => negated ? OracleQuantifier.NotExists : OracleQuantifier.Exists,
            "forall" when !negated => OracleQuantifier.ForAll,
            _ => throw new OracleRefusal($"it asks {quantifier}"),
        };
        Condition = Either();
        Accept(";");
        if (_at < _tokens.Count)
        {
            throw new OracleRefusal($"its condition continues with {_tokens[_at]}");
        }
    }

    private Func<FinalState, bool> Either()
    {
        Func<FinalState, bool> left = Both();
        while (Accept("\\/"))
        {
            (Func<FinalState, bool> first, Func<FinalState, bool> second) = (left, Both());
            left = state => first(state) || second(state);
        }

        return left;
    }

    private Func<FinalState, bool> Both()
    {
        Func<FinalState, bool> left = Single();
        while (Accept("/\\"))
        {
            (Func<FinalState, bool> first, Func<FinalState, bool> second) = (left, Single());
            left = state => first(state) && second(state);
        }

        return left;
    }

    private Func<FinalState, bool> Single()
    {
        if (Accept("~") || Accept("not"))
        {
            Func<FinalState, bool> inner = Single();
            return state => !inner(state);
        }

        if (Accept("("))
        {
            Func<FinalState, bool> inner = Either();
            Expect(")");
            return inner;
        }

        if (Accept("true") || Accept("false"))
        {
            bool value = _tokens[_at - 1] == "true";
            return _ => value;
        }

        int index = Location();
        Expect("=");
        ulong expected = Value();
        int shift = 64 - (8 * Observables[index].Width);
        return state => state.Values[index] << shift == expected << shift;
    }

    private int Location()
    {
        OracleLocation location;
        if (char.IsDigit(_tokens[_at][0]))
        {
            int thread = int.Parse(Next(), CultureInfo.InvariantCulture);
            Expect(":");
            int register = OracleReader.RegisterNumber(Next());
            location = new OracleLocation(thread, register, null, 0, test.RegisterWidth(thread, register));
        }
        else
        {
            bool bracket = Accept("[");
            OracleVariable variable = test.Variable(Next());
            int element = 0;
            if (Accept("["))
            {
                element = int.Parse(Next(), CultureInfo.InvariantCulture);
                Expect("]");
            }

            if (bracket)
            {
                Expect("]");
            }

            location = new OracleLocation(-1, 0, variable, element, variable.Width);
        }

        int index = Observables.FindIndex(known => known.Name == location.Name);
        if (index < 0)
        {
            index = Observables.Count;
            Observables.Add(location);
        }

        return index;
    }

    private ulong Value() => char.IsLetter(_tokens[_at][0]) ? test.Variable(Next()).Address : Decoder.Number(Next());

    private string Next() => _at < _tokens.Count ? _tokens[_at++] : throw new OracleRefusal("its condition has no end");

    private bool Accept(string token)
    {
        bool found = _at < _tokens.Count && _tokens[_at] == token;
        _at += found ? 1 : 0;
        return found;
    }

    private void Expect(string token)
    {
        if (!Accept(token))
        {
            throw new OracleRefusal(
                $"its condition has {(_at < _tokens.Count ? _tokens[_at] : "its end")} where {token} should be"
            );
        }
    }
}
